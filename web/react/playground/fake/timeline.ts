import type { Conversation, Draft, Message, OutgoingMessage, Timeline, TimelineMessage, TimelineState, Upload } from '@doorbell/client';
import { me, message } from './data.js';
import { value } from './value.js';

export interface Behaviour {
  /** How long the server takes, in milliseconds. */
  latency: number;
  fails: boolean;
  /** Messages are accepted and not answered. */
  isSlow: boolean;
  pageSize: number;
}

export type FakeTimeline = Timeline & { receive(message: Message): void; set(change: Partial<TimelineState>): void; readUpTo: number; sends: number };

const shown = (stored: Message, status: TimelineMessage['status'] = 'sent'): TimelineMessage => ({ ...stored, status, key: stored.clientMessageId ?? stored.id });

export function fakeTimeline(conversation: Conversation, all: Message[], behaviour: Behaviour): FakeTimeline {
  const readByOthers = all.length - 3;
  const statusOf = (stored: Message) => (stored.senderId === me.id && stored.seq <= readByOthers ? 'read' : 'sent');
  let loadedFrom = Math.max(0, all.length - behaviour.pageSize);
  const others = conversation.participants.filter(({ userId }) => userId !== me.id);
  const state = value<TimelineState>({
    conversation,
    messages: all.slice(loadedFrom).map((stored) => shown(stored, statusOf(stored))),
    isLoading: false, hasOlder: loadedFrom > 0, isLoadingOlder: false, hasNewer: false, isLoadingNewer: false, typing: [], firstUnreadSeq: null, isUnreadKnown: true,
    reads: { [me.id]: all.length, ...Object.fromEntries(others.map(({ userId }, index) => [userId, readByOthers - index])) },
    error: null,
  });
  const draft = value('');
  const change = (part: Partial<TimelineState>) => state.set({ ...state.get(), ...part });
  const update = (key: string, part: Partial<TimelineMessage>) => change({ messages: state.get().messages.map((one) => (one.key === key ? { ...one, ...part } : one)) });
  let lastSeq = all.length;
  let sent = 0;

  async function deliver(key: string, uploads: Upload[]) {
    update(key, { status: behaviour.isSlow ? 'queued' : 'sending', error: undefined });
    const attachments = await Promise.all(uploads.map((upload) => upload.done)).catch(() => null);
    const refused = uploads.find(({ progress }) => progress.get().isRefused);
    if (refused) return update(key, { status: 'failed', error: { code: 'UNSUPPORTED_MEDIA', message: `${refused.fileName}: ${refused.progress.get().error!.message}` } });
    if (behaviour.isSlow || !attachments) return;
    await new Promise((resolve) => setTimeout(resolve, behaviour.latency));
    if (behaviour.fails) return update(key, { status: 'failed', error: { code: 'UNAVAILABLE', message: 'The server cannot store messages now.' } });
    lastSeq += 1;
    update(key, { status: 'sent', seq: lastSeq, id: `m-${lastSeq}`, ...(attachments.length > 0 && { attachments }) });
  }

  const timeline: FakeTimeline = {
    id: conversation.id,
    state,
    draft,
    readUpTo: 0,
    sends: 0,
    open: () => () => {},
    async loadOlder() {
      if (loadedFrom === 0 || state.get().isLoadingOlder) return;
      change({ isLoadingOlder: true });
      await new Promise((resolve) => setTimeout(resolve, behaviour.latency));
      const from = Math.max(0, loadedFrom - behaviour.pageSize);
      const older = all.slice(from, loadedFrom).map((stored) => shown(stored, statusOf(stored)));
      loadedFrom = from;
      change({ messages: [...older, ...state.get().messages], isLoadingOlder: false, hasOlder: from > 0 });
    },
    loadNewer: async () => {},
    jumpTo: async () => {},
    send({ text = '', uploads = [] }: Draft): OutgoingMessage {
      timeline.sends += 1;
      const clientMessageId = `own-${(sent += 1)}`;
      const pending = { ...message(conversation.id, 0, me, text.trim(), 0), clientMessageId };
      change({ messages: [...state.get().messages, { ...shown(pending, 'queued'), ...(uploads.length > 0 && { uploads }) }] });
      void deliver(clientMessageId, uploads);
      return { clientMessageId, done: new Promise<Message>(() => {}) };
    },
    retry: (clientMessageId) => void deliver(clientMessageId, []),
    discard: (clientMessageId) => change({ messages: state.get().messages.filter(({ key }) => key !== clientMessageId) }),
    markRead(uptoSeq = lastSeq) {
      timeline.readUpTo = Math.max(timeline.readUpTo, uptoSeq);
    },
    typing: () => {},
    setDraft: (text) => draft.set(text),
    set: change,
    receive(stored) {
      lastSeq += 1;
      const messages = state.get().messages;
      const at = messages.findIndex(({ seq }) => seq === 0);
      const next = [...messages];
      next.splice(at < 0 ? messages.length : at, 0, shown({ ...stored, seq: lastSeq, id: `m-${lastSeq}` }));
      change({ messages: next });
    },
  };
  return timeline;
}

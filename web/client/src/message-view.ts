import type { MessageStatus, TimelineMessage, Upload } from './api.js';
import type { OutboxEntry } from './outbox.js';
import type { Message, Person } from './wire.js';

// The same message in the same state is the same object: what shows it need not be drawn again.
const stored = new WeakMap<Message, TimelineMessage>();
const pending = new WeakMap<OutboxEntry, TimelineMessage>();

/** A message of the server as a timeline shows it. */
export function storedView(message: Message, me: string | null, readUpTo: number): TimelineMessage {
  const isOwn = message.senderId === me;
  const status: MessageStatus = isOwn && (message.read || message.seq <= readUpTo) ? 'read' : 'sent';
  const known = stored.get(message);
  if (known?.status === status) return known;
  const view = { ...message, status, key: (isOwn && message.clientMessageId) || message.id };
  stored.set(message, view);
  return view;
}

/** A message that is not stored yet, in the server's shape. */
export function pendingView(entry: OutboxEntry, sender: Person | null, isSending: boolean, uploads: Upload[]): TimelineMessage {
  const { clientMessageId: id, conversationId, content, createdAt, failed, files } = entry;
  const status: MessageStatus = failed ? 'failed' : isSending ? 'sending' : 'queued';
  const known = pending.get(entry);
  if (known?.status === status && known.sender === sender && known.uploads?.length === (uploads.length || undefined)) return known;
  // Each file once: as it is uploaded here, or as it was before.
  const attachments = files.flatMap(({ id: file, attachment }) => (attachment && !uploads.some((upload) => upload.id === file) ? attachment : []));
  const [first] = attachments;
  const kind = uploads[0]?.file.type.split('/')[0];
  const view: TimelineMessage = {
    id, _id: id, conversationId, conversation: conversationId,
    senderId: sender?.id ?? '', sender, receiverId: null,
    content, text: content,
    type: first?.type ?? (kind === 'image' || kind === 'video' ? kind : files.length ? 'file' : 'text'),
    fileUrl: first?.url ?? null, fileName: files[0]?.fileName ?? null, fileSize: first?.fileSize ?? null, fileType: first?.fileType ?? null,
    ...(attachments.length && { attachments }),
    read: false, readAt: null, createdAt, updatedAt: createdAt, seq: 0, clientMessageId: id,
    status, key: id,
    ...(failed && { error: failed }),
    ...(uploads.length && { uploads }),
  };
  pending.set(entry, view);
  return view;
}

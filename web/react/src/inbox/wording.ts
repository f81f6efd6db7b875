import type { Conversation, Message } from '@doorbell/client';
import { nameOf } from '../provider/context.js';
import type { Wording } from '../texts/index.js';

/** A message in one line: its text, or what its first file is. */
export function previewOf(message: Pick<Message, 'content' | 'type'>, { texts }: Wording): string {
  const text = message.content.replace(/\s+/g, ' ').trim();
  if (text) return text;
  return message.type === 'image' ? texts.photo : message.type === 'video' ? texts.video : texts.file;
}

/** The last message of a row; groups and one's own say who wrote it. */
export function lastLine(conversation: Conversation, myId: string | undefined, wording: Wording): { by: string; text: string } {
  const last = conversation.messages?.at(-1);
  if (!last) return { by: '', text: '' };
  const isMine = last.senderId === myId;
  // There is room for the message or for all of the names, and the first one tells who it was.
  const name = isMine ? wording.texts.you : nameOf(last.sender, wording).split(/\s/u)[0]!;
  return { by: isMine || conversation.isGroup ? wording.say('lineBy', { name }) : '', text: previewOf(last, wording) };
}

export const cappedCount = (count: number, wording: Wording): string => (count > 99 ? `${wording.number(99)}+` : wording.number(count));

/** Capital and small letters, accents and dots are the same to whoever searches. */
export const folded = (text: string): string => text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();

/** Do names, listing or last message have every word of the query? */
export function matches(conversation: Conversation, query: string): boolean {
  const words = folded(query).split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const names = (conversation.participants ?? []).map(({ user }) => user?.name ?? '');
  const text = folded([conversation.title, conversation.listing?.title, conversation.lastMessage, ...names].filter(Boolean).join('\n'));
  return words.every((word) => text.includes(word));
}

/**
 * The order in which rows are shown. While it is held (a pointer is over the list) rows stay where they are, with
 * what is new in them; what was not there before waits.
 */
export function heldOrder(items: Conversation[], held: readonly string[] | null): Conversation[] {
  if (!held) return items;
  const byId = new Map(items.map((item) => [item.id, item]));
  const kept = held.flatMap((id) => byId.get(id) ?? []);
  // A page that was loaded by scrolling goes below, which moves nothing.
  const known = new Set(held);
  const lastKept = items.reduce((last, { id }, index) => (known.has(id) ? index : last), -1);
  return [...kept, ...items.slice(lastKept + 1)];
}

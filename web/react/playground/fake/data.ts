import type { Attachment, Conversation, Listing, Message, Person } from '@doorbell/client';
import { blurred, face, house, room } from './drawings.js';

export const person = (id: string, name: string, picture: number | null): Person =>
  ({ id, _id: id, name, email: null, image: picture === null ? null : face(picture), role: null });

export const me = person('u-me', 'Noor Haddad', 3);
export const ana = person('u-ana', 'Ana Sousa', 0);
export const ben = person('u-ben', 'Ben Okafor', 1);
export const chloe = person('u-chloe', 'Chloé Martin', null);
export const dario = person('u-dario', 'Darío Ruiz', 2);
export const emre = person('u-emre', 'Emre Yıldız', null);

const listing = (id: string, title: string, image: string, price: string): Listing => ({ id, _id: id, title, image, url: `#/listing/${id}`, price });
export const loft = listing('l-1', 'Loft by the river, Lisbon', house(0), '€1,250 a month');
const studio = listing('l-2', 'Sunny studio near the park', room(1), '€780 a month');
const cottage = listing('l-3', 'Cottage with a garden and a long name that does not fit', house(2), '€1,900 a month');

const NOW = Date.now();
export const at = (minutesAgo: number) => new Date(NOW - minutesAgo * 60_000).toISOString();

let made = 0;
export function message(conversationId: string, seq: number, sender: Person, content: string, minutesAgo: number, attachments?: Attachment[]): Message {
  made += 1;
  const id = `m-${conversationId}-${seq || `p${made}`}`;
  return {
    id, _id: id, conversationId, conversation: conversationId, senderId: sender.id, sender, receiverId: null, content, text: content,
    type: attachments?.[0]?.type ?? 'text', fileUrl: null, fileName: null, fileSize: null, fileType: null, ...(attachments && { attachments }),
    read: false, readAt: null, createdAt: at(minutesAgo), updatedAt: at(minutesAgo), seq, clientMessageId: null,
  };
}

export function photo(number: number, width: number | null = 1600, height: number | null = 1200, url = (number % 2 ? house : room)(number, width ?? 800, height ?? 600)): Attachment {
  return { id: `a-${number}`, url, fileName: `photo-${number}.jpg`, fileSize: 812_345, fileType: 'image/jpeg', type: 'image', width, height, duration: null, thumbnailUrl: url, posterUrl: null, preview: blurred(number) };
}
export const file: Attachment = { ...photo(900), id: 'a-file', url: 'data:application/pdf,', fileName: 'Rental agreement, draft 3.pdf', fileSize: 184_320, fileType: 'application/pdf', type: 'file', width: null, height: null, preview: null, thumbnailUrl: null };
export const video: Attachment = { ...photo(901), id: 'a-video', url: 'data:video/mp4,', fileName: 'walk-through.mp4', fileType: 'video/mp4', type: 'video', width: 1280, height: 720, duration: 47, posterUrl: room(3, 1280, 720) };

export function conversation(id: string, people: Person[], about: Listing | null, last: Message | null, unreadCount = 0, title: string | null = null): Conversation {
  return {
    id, _id: id, title, isGroup: title !== null, createdAt: at(60 * 24 * 30), updatedAt: at(5),
    participants: [me, ...people].map((user) => ({ id: `${id}-${user.id}`, conversationId: id, userId: user.id, joinedAt: at(60 * 24 * 30), leftAt: null, role: 'member', lastReadAt: null, user })),
    messages: last ? [last] : [], lastMessage: last?.content ?? null, lastMessageAt: last?.createdAt ?? null, unreadCount,
    listing: about, renter: about ? me : null, owner: about ? people[0]! : null,
  };
}

export function ordinary(): Conversation[] {
  return [
    conversation('c-ana', [ana], loft, message('c-ana', 24, ana, 'Perfect, Thursday at six. I’ll send you the code for the door.', 4), 2),
    conversation('c-group', [ben, chloe, dario], null, message('c-group', 60, ben, 'I can bring the keys on Saturday', 48), 12, 'Flat share, Rua das Flores'),
    conversation('c-ben', [ben], studio, message('c-ben', 8, me, 'Thank you! Is the deposit one month or two?', 190)),
    conversation('c-chloe', [chloe], cottage, message('c-chloe', 5, chloe, '', 60 * 26, [photo(5)])),
    conversation('c-dario', [dario], null, message('c-dario', 31, dario, '¿Sigue en pie lo del viernes?', 60 * 50), 120),
    conversation('c-emre', [emre], studio, message('c-emre', 3, emre, 'هل الشقة متاحة في مارس؟', 60 * 24 * 4)),
    conversation('c-old', [person('u-old', 'Wilhelmina van der Westhuizen-Featherstonehaugh', 1)], cottage, message('c-old', 3, me, 'https://example.com/a/very/long/path?with=parameters&and=more', 60 * 24 * 40)),
  ];
}

export function many(count: number): Conversation[] {
  const people = [ana, ben, chloe, dario, emre];
  return Array.from({ length: count }, (_, index) => {
    const id = `c-${index}`;
    const who = person(`u-${index}`, `${people[index % 5]!.name} ${index + 1}`, index % 3 ? index : null);
    return conversation(id, [who], index % 4 ? studio : null, message(id, 3, who, `Message number ${index + 1} of this list`, index * 30), index % 11 === 0 ? (index % 120) + 1 : 0);
  });
}

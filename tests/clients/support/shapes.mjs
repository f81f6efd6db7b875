// Every JSON shape of the contracts, to the last field: a missing field fails, and so does one that no contract names.
import assert from 'node:assert/strict';

const fail = (where, wanted, value) => assert.fail(`${where} should be ${wanted}, but is ${JSON.stringify(value)?.slice(0, 200)}`);

export const str = (v, at) => typeof v === 'string' && v !== '' ? undefined : fail(at, 'a string', v);
export const text = (v, at) => typeof v === 'string' ? undefined : fail(at, 'a string', v);
export const int = (v, at) => Number.isInteger(v) ? undefined : fail(at, 'a whole number', v);
export const number = (v, at) => typeof v === 'number' ? undefined : fail(at, 'a number', v);
export const bool = (v, at) => typeof v === 'boolean' ? undefined : fail(at, 'a boolean', v);
export const nothing = (v, at) => v === null ? undefined : fail(at, 'null', v);
export const time = (v, at) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(v) ? undefined : fail(at, 'a time in UTC with milliseconds', v);
export const oneOf = (...values) => (v, at) => values.includes(v) ? undefined : fail(at, `one of ${values.join(', ')}`, v);
export const orNull = (type) => (v, at) => v === null ? undefined : type(v, at);
export const list = (type) => (v, at) => {
  if (!Array.isArray(v)) fail(at, 'an array', v);
  v.forEach((item, i) => type(item, `${at}[${i}]`));
};

/** An object with exactly these fields; `optional` ones may be left out. */
export const object = (fields, optional = {}) => (v, at = 'value') => {
  if (v === null || typeof v !== 'object' || Array.isArray(v)) fail(at, 'an object', v);
  for (const [key, type] of Object.entries(fields)) {
    if (!(key in v)) assert.fail(`${at} lacks '${key}': ${JSON.stringify(v).slice(0, 300)}`);
    type(v[key], `${at}.${key}`);
  }
  for (const [key, type] of Object.entries(optional)) if (key in v) type(v[key], `${at}.${key}`);
  const strange = Object.keys(v).filter((key) => !(key in fields) && !(key in optional));
  assert.deepEqual(strange, [], `${at} has fields that its contract does not name`);
};

/** Checks, and gives the value back. */
export function shaped(type, value, at = 'value') {
  type(value, at);
  return value;
}

const maybe = orNull(str);
// Beside a contract's own fields: what every message carries, and what says which draft it was.
const beside = { clientMessageId: maybe };
const everyConversation = { title: maybe, isGroup: bool };

// contracts §6, shared by the three under /api
export const person = object({ id: str, _id: str, name: maybe, email: maybe, image: maybe, role: maybe });
export const listing = object({ id: str, _id: str, title: maybe, image: maybe, url: maybe, price: orNull((v, at) => (typeof v === 'number' ? number : str)(v, at)) }, { ownerId: maybe });
export const attachment = object({
  id: str, url: str, fileName: str, fileSize: orNull(int), fileType: maybe, type: oneOf('image', 'video', 'file'), width: orNull(int), height: orNull(int),
  duration: orNull(number), thumbnailUrl: maybe, posterUrl: maybe, preview: maybe,
});
export const message = object({
  id: str, _id: str, conversationId: str, conversation: str, senderId: str, sender: person, receiverId: maybe,
  content: text, text, type: oneOf('text', 'image', 'video', 'file'), fileUrl: maybe, fileName: maybe, fileSize: orNull(int), fileType: maybe,
  read: bool, readAt: orNull(time), createdAt: time, updatedAt: time, seq: int, clientMessageId: maybe,
}, { attachments: list(attachment) });
export const participant = object({
  id: str, conversationId: str, userId: str, joinedAt: time, leftAt: orNull(time), role: oneOf('member', 'admin'), lastReadAt: orNull(time), user: person,
});
const conversationFields = {
  id: str, _id: str, ...everyConversation, createdAt: time, updatedAt: time, messages: list(message), lastMessage: maybe,
  lastMessageAt: orNull(time), unreadCount: int, listing: orNull(listing), renter: orNull(person), owner: orNull(person),
};
export const conversation = object({ ...conversationFields, participants: list(participant) });
/** As `conversation:updated` carries it of a group. */
export const conversationWithoutPeople = object(conversationFields);

// property-chat
export const propertyPerson = object({ id: str, name: maybe, email: maybe, image: maybe, role: maybe });
export const property = object({ id: str, title: maybe, image: maybe, url: maybe });
export const propertyMessage = object({
  id: str, chatId: str, senderId: str, content: text, messageType: oneOf('TEXT', 'IMAGE', 'VIDEO', 'FILE'), isRead: bool, createdAt: time, sender: propertyPerson, seq: int,
}, { ...beside, fileUrl: maybe, fileName: maybe, fileSize: orNull(int), fileType: maybe });
const chatFields = {
  id: str, userId: maybe, agentId: maybe, propertyId: maybe, isActive: bool, createdAt: time, updatedAt: time,
  user: orNull(propertyPerson), agent: orNull(propertyPerson), property: orNull(property),
};
const chatBeside = { ...everyConversation, listing: orNull(listing) };
const chatInList = { messages: list(propertyMessage), lastMessage: orNull(propertyMessage), otherParticipant: orNull(propertyPerson), unreadCount: int };
export const chat = object(chatFields, { ...chatBeside, ...chatInList });
export const listedChat = object({ ...chatFields, ...chatBeside, ...chatInList });

// media-chat
export const mediaMessage = object({
  id: str, conversationId: str, senderId: str, receiverId: maybe, content: text, type: oneOf('text', 'image', 'video', 'file'),
  fileUrl: maybe, fileName: maybe, fileSize: orNull(int), fileType: maybe, read: bool, readAt: orNull(time), createdAt: time, seq: int,
}, beside);
export const mediaConversation = object({
  id: str, user1Id: maybe, user2Id: maybe, lastMessageAt: orNull(time), otherUser: orNull((v, at) => person(v, at)),
  lastMessage: orNull(mediaMessage), unreadCount: int, ...everyConversation, listing: orNull(listing),
});

// tenant-chat
export const tenantMessage = object({
  _id: str, conversationId: str, sender: str, recipient: maybe, content: text, type: oneOf('text', 'image', 'file'), read: bool, createdAt: time, updatedAt: time, seq: int,
}, { ...beside, fileUrl: maybe, fileName: maybe, fileSize: orNull(int), fileType: maybe });
export const tenantConversation = object({
  _id: str, participants: list(object({ _id: str, name: maybe, email: maybe, avatar: maybe, online: bool })), lastMessage: orNull(tenantMessage),
  unreadCount: int, createdAt: time, updatedAt: time, ...everyConversation, listing: orNull(listing),
});

// listing-chat
export const comment = object({ _id: str, postId: str, author: object({ id: str, name: maybe, image: maybe }), text: str, createdAt: time });

// events
export const socketError = object({ code: str, message: str, event: str }, { clientMessageId: maybe, retryAfterMs: int });
export const greeting = object({ userId: str, user: person, sessionId: str, contract: maybe });
export const connectedEvent = object({ userId: str, socketId: str });
export const typingUpdate = object({ conversationId: str, userId: str, user: person, isTyping: bool });
export const userTyping = object({ conversationId: str, userId: str, isTyping: bool });
export const readUpdate = object({ conversationId: str, userId: str, messageId: str, seq: int, readAt: time });
export const messagesRead = object({ conversationId: str, userId: str, readAt: time, upToSeq: int });
export const messageRead = object({ messageId: str, conversationId: str, readBy: str, readAt: time });
export const presence = object({ userId: str, status: oneOf('online', 'offline'), lastSeenAt: orNull(time) });
export const joined = (type) => object({ ok: oneOf(true), conversationId: str, messages: list(type), hasMore: bool });
export const messagesPage = (type) => object({ messages: list(type), hasMore: bool, nextCursor: maybe });

/** Histories are ascending, without gaps. */
export function gapless(messages, first = messages[0]?.seq) {
  assert.deepEqual(messages.map((m) => m.seq), messages.map((_, i) => first + i), 'seq rises by one');
}

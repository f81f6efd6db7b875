/** Somebody in the directory. */
export interface Person {
  id: string;
  _id: string;
  name: string | null;
  /** One's own; of others only where the deployment shows it. */
  email: string | null;
  /** Address of a picture. */
  image: string | null;
  role: string | null;
}

/** What a conversation is about. */
export interface Listing {
  id: string;
  _id: string;
  title: string | null;
  /** Address of a picture. */
  image: string | null;
  /** Address of its page. */
  url: string | null;
  /** As the host application gave it. */
  price: number | string | null;
}

/** A file of a message. Its links work for hours; reading the message again renews them. */
export interface Attachment {
  id: string;
  url: string;
  fileName: string;
  /** In bytes. */
  fileSize: number | null;
  /** Media type, judged by the bytes. */
  fileType: string | null;
  type: 'image' | 'video' | 'file';
  /** In pixels, as shown. */
  width: number | null;
  height: number | null;
  /** In seconds. */
  duration: number | null;
  thumbnailUrl: string | null;
  /** What stands for a video before it plays. */
  posterUrl: string | null;
  /** A tiny blurred picture as a `data:` URL. */
  preview: string | null;
}

/** A message as the server has it. */
export interface Message {
  id: string;
  _id: string;
  conversationId: string;
  /** The conversation's id. */
  conversation: string;
  senderId: string;
  sender: Person | null;
  /** `null` in a group. */
  receiverId: string | null;
  /** Plain text: `""` if there are only files. */
  content: string;
  /** The same as `content`. */
  text: string;
  type: 'text' | 'image' | 'video' | 'file';
  fileUrl: string | null;
  fileName: string | null;
  fileSize: number | null;
  fileType: string | null;
  attachments?: Attachment[];
  /** Whether another participant has read it. */
  read: boolean;
  /** ISO 8601, as every time here. */
  readAt: string | null;
  createdAt: string;
  updatedAt: string;
  /** 1, 2, 3, ... in its conversation. */
  seq: number;
  clientMessageId: string | null;
}

/** Somebody's part in a conversation. */
export interface Participant {
  id: string;
  conversationId: string;
  userId: string;
  joinedAt: string;
  /** Set when they have left. */
  leftAt: string | null;
  role: 'member' | 'admin';
  lastReadAt: string | null;
  user: Person | null;
}

/** A conversation of two people, with a listing or without, or a group. */
export interface Conversation {
  id: string;
  _id: string;
  title: string | null;
  isGroup: boolean;
  createdAt: string;
  updatedAt: string;
  participants: Participant[];
  /** The last message, if there is one. */
  messages: Message[];
  /** Text of the last message, or `Photo`, `Video`, `File`. */
  lastMessage: string | null;
  lastMessageAt: string | null;
  unreadCount: number;
  listing: Listing | null;
  renter: Person | null;
  owner: Person | null;
}

/** Somebody has read up to a message. */
export interface ReadUpdate {
  conversationId: string;
  userId: string;
  messageId: string;
  seq: number;
  readAt: string;
}

/** Somebody has begun or stopped typing. */
export interface TypingUpdate {
  conversationId: string;
  userId: string;
  user: Person | null;
  isTyping: boolean;
}

/** Whether somebody is there. `unknown` until the server has told. */
export interface Presence {
  userId: string;
  status: 'online' | 'offline' | 'unknown';
  lastSeenAt: string | null;
}

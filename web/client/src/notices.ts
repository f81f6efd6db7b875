import type { Hub } from './hub.js';
import type { Message } from './wire.js';

interface Sources {
  /** Asked before anybody else has heard of the message. */
  isNews(message: Message): boolean;
  isOwn(message: Message): boolean;
  tell(notice: { conversationId: string; message: Message }): void;
}

/** Tells of messages of others, each once and in one tab of all: the one that has the connection. */
export function giveNotice(hub: Hub, { isNews, isOwn, tell }: Sources): void {
  const consider = (message: Message | undefined) => {
    if (message && hub.isLeader && !isOwn(message) && isNews(message)) tell({ conversationId: message.conversationId, message });
  };
  hub.pushes.on('message:received', consider);
  hub.pushes.on('conversation:updated', ({ conversation }) => {
    // Without unread messages it is news of something else.
    if (conversation.unreadCount > 0) consider(conversation.messages[0]);
  });
}

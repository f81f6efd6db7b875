// Next.js: these are parts of the page in the browser.
'use client';

export { Chat, type ChatProps } from './chat/Chat.js';
export { Inbox, NothingSelected, type InboxProps } from './inbox/Inbox.js';
export { useConversationRow, type ConversationRow } from './inbox/useConversationRow.js';
export { ChatPopup, type ChatPopupProps } from './popup/ChatPopup.js';
export { ContactOwner, type ContactOwnerProps } from './popup/ContactOwner.js';
export { usePopup } from './popup/usePopup.js';
export type { PopupState } from './provider/popup.js';
export type { Site } from './provider/context.js';
export { DoorbellProvider, type DoorbellProviderProps } from './provider/DoorbellProvider.js';
export { useConversation, useInbox, usePresence, useSession, useSocket, useTyping, useUnread } from './provider/hooks.js';
export type { FileLimits } from './composer/refusals.js';
export { ar, de, en, es, type Plural, type Texts, type Wording } from './texts/index.js';

import type { Message } from '@doorbell/client';
import { useEffect, useRef } from 'react';
import { previewOf } from '../inbox/wording.js';
import { nameOf, useStore, useSurroundings } from './context.js';
import { chime } from './chime.js';
import { isAttentive } from './focus.js';

const COUNT_IN_TITLE = /^\(\d+\+?\) /;
/** A notification waits while its sender goes on typing, but not for ever. */
const TYPING_PATIENCE_MILLISECONDS = 4_000;

/** Unread count in the title, the sound, notifications, and what is read aloud. */
export function Notifier({ titleCount, notifications }: { titleCount: boolean; notifications: boolean }) {
  const surroundings = useSurroundings();
  const { client, wording, announcements } = surroundings;
  // Sites write their functions anew at each render: what is gathered must not be dropped for that.
  const now = useRef(surroundings);
  now.current = surroundings;
  const unread = useStore(client.inbox.unread);

  useEffect(() => {
    if (!titleCount) return;
    const show = () => {
      const title = document.title.replace(COUNT_IN_TITLE, '');
      const wanted = unread > 0 ? `(${unread > 99 ? '99+' : unread}) ${title}` : title;
      if (document.title !== wanted) document.title = wanted;
    };
    show();
    // The site may give its page another title at any time.
    const observer = new MutationObserver(show);
    observer.observe(document.head, { subtree: true, childList: true, characterData: true });
    return () => observer.disconnect();
  }, [unread, titleCount]);

  useEffect(
    () =>
      client.on('message', (message) => {
        if (message.senderId === client.me.get()?.id || document.visibilityState !== 'visible') return;
        announcements.message(wording.say('newMessageFrom', { name: nameOf(message.sender, wording), text: previewOf(message, wording) }));
      }),
    [client, wording, announcements],
  );

  useEffect(() => client.on('error', (error) => announcements.assertive(error.message)), [client, announcements]);

  useEffect(() => {
    if (!notifications) return;
    const gathered = new Map<string, { messages: Message[]; timer: ReturnType<typeof setTimeout> }>();
    const show = (conversationId: string) => {
      const messages = gathered.get(conversationId)?.messages ?? [];
      gathered.delete(conversationId);
      const last = messages.at(-1);
      if (!last || isAttentive() || typeof Notification === 'undefined' || Notification.permission !== 'granted') return;
      const body = messages.length === 1 ? previewOf(last, wording) : wording.say('newMessagesCount', { count: messages.length });
      const notification = new Notification(nameOf(last.sender, wording), { body, tag: `doorbell-${conversationId}`, lang: wording.locale, dir: wording.direction, silent: true });
      notification.onclick = () => {
        const { hrefFor, onOpen, popup } = now.current;
        window.focus();
        if (onOpen) onOpen(conversationId);
        else if (hrefFor) location.assign(hrefFor(conversationId));
        else popup.open(conversationId);
        notification.close();
      };
    };
    const wait = (conversationId: string, milliseconds: number) => setTimeout(() => show(conversationId), milliseconds);
    const stopNotify = client.on('notify', ({ conversationId, message }) => {
      const isNew = !gathered.has(conversationId);
      const entry = gathered.get(conversationId) ?? { messages: [], timer: wait(conversationId, 700) };
      entry.messages.push(message);
      gathered.set(conversationId, entry);
      if (isNew && !isAttentive()) void chime();
    });
    const stopTyping = client.on('typing', ({ conversationId, isTyping }) => {
      const entry = gathered.get(conversationId);
      if (!entry) return;
      clearTimeout(entry.timer);
      entry.timer = wait(conversationId, isTyping ? TYPING_PATIENCE_MILLISECONDS : 300);
    });
    return () => {
      stopNotify();
      stopTyping();
      for (const { timer } of gathered.values()) clearTimeout(timer);
    };
  }, [client, wording, notifications]);

  return null;
}

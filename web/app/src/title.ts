import { useEffect } from 'react';
import { useWords } from './language';
import { isDemo, MARKETPLACE } from './server';

/** What these pages are called. */
export function useName(): string {
  const words = useWords();
  return isDemo ? MARKETPLACE : words.messages;
}

/** What the tab is called. The count of unread messages before it is put there by the chat. */
export function useTitle(title: string): void {
  const name = useName();
  useEffect(() => {
    const count = /^\(\d+\+?\) /.exec(document.title)?.[0] ?? '';
    document.title = `${count}${title === name ? title : `${title} · ${name}`}`;
  }, [title, name]);
}

import { useEffect } from 'react';
import { NAME } from './server';

/** What the tab is called. The count of unread messages before it is put there by the chat. */
export function useTitle(title: string): void {
  useEffect(() => {
    const count = /^\(\d+\+?\) /.exec(document.title)?.[0] ?? '';
    document.title = `${count}${title === NAME ? title : `${title} · ${NAME}`}`;
  }, [title]);
}

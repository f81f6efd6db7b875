import type { ReactNode } from 'react';

const ADDRESS = /(?<![\p{L}\p{N}@./])(?:https?:\/\/|www\.(?=[^\s<>"./]+\.))[^\s<>"]+/giu;
const SHOWN_CHARACTERS = 48;

/** What stands at the end of an address but belongs to the sentence: a full stop, a bracket that was opened outside. */
export function trimAddress(address: string): string {
  let end = address.length;
  while (end > 0) {
    const last = address[end - 1]!;
    const opening = { ')': '(', ']': '[' }[last];
    const isOpen = opening !== undefined && address.slice(0, end).split(opening).length < address.slice(0, end).split(last).length;
    if (!isOpen && !/[.,;:!?'’”»]/u.test(last)) break;
    end -= 1;
  }
  return address.slice(0, end);
}

/** Begins with the host as browsers read it, so that nobody is led elsewhere by look-alike letters. */
export function shownAddress(address: string): string | null {
  try {
    const { host, pathname, search, hash } = new URL(address);
    const rest = `${pathname}${search}${hash}`;
    const shown = rest === '/' ? host : host + rest;
    return shown.length > SHOWN_CHARACTERS ? `${shown.slice(0, Math.max(host.length, SHOWN_CHARACTERS - 1))}…` : shown;
  } catch {
    return null;
  }
}

/** The text with its addresses as links. Everything else is text: nothing in it is ever markup. */
export function linked(text: string, isTabStop: boolean): ReactNode[] {
  const parts: ReactNode[] = [];
  let at = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = trimAddress(match[0]);
    const href = /^www\./i.test(address) ? `https://${address}` : address;
    const shown = shownAddress(href);
    if (!shown) continue;
    parts.push(text.slice(at, match.index), (
      <a key={match.index} href={href} title={href} target="_blank" rel="noopener noreferrer nofollow" dir="ltr" tabIndex={isTabStop ? 0 : -1}>{shown}</a>
    ));
    at = match.index + address.length;
  }
  parts.push(text.slice(at));
  return parts;
}

/** One to three emoji and nothing else are shown large. */
export function isEmojiOnly(text: string): boolean {
  if (text.length > 40 || !/\p{Extended_Pictographic}|\p{Regional_Indicator}/u.test(text)) return false;
  const pictures = [...new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(text.replace(/\s/gu, ''))];
  return pictures.length <= 3 && pictures.every(({ segment }) => /^(\p{Extended_Pictographic}|\p{Regional_Indicator}{2})/u.test(segment));
}

import type { Texts } from '@doorbell/react';
import { useSyncExternalStore } from 'react';
import { isDemo } from './server';
import { en, type Words } from './words/en';
import { agoIn } from './words/times';

/** What the pages and the chat in them speak. */
export interface Language {
  /** BCP 47. */
  tag: string;
  words: Words;
  /** Of the chat; none where they are English, which it brings along. */
  texts?: Texts;
  number(value: number): string;
  /** "3 hours ago", "yesterday", "14 October". */
  ago(time: string): string;
  /** What somebody is here; `null`: nothing in particular. */
  role(name: string | null): string;
}

export const LANGUAGES = [['en-GB', 'English'], ['es', 'Español'], ['de', 'Deutsch'], ['ar', 'العربية']] as const;

type Spoken = Pick<Language, 'words' | 'texts'>;

/** Whoever reads English loads no other. */
const OTHERS: Record<string, () => Promise<Spoken>> = {
  es: () => import('./words/es'),
  de: () => import('./words/de'),
  ar: () => import('./words/ar'),
};
const ENGLISH: Spoken = { words: en };

const KEY = 'latchkey:locale';
const listeners = new Set<() => void>();
const codeOf = (tag: string) => tag.split('-')[0]!.toLowerCase();
const isSpoken = (tag: string) => codeOf(tag) === 'en' || codeOf(tag) in OTHERS;
let wanted: string = LANGUAGES[0][0];
let language = languageOf(wanted, ENGLISH);

function languageOf(tag: string, { words, texts }: Spoken): Language {
  const numbers = new Intl.NumberFormat(tag);
  return {
    tag,
    words,
    ...(texts && { texts }),
    number: (value) => numbers.format(value),
    ago: agoIn(tag),
    role: (name) => (name ? (words.roles[name] ?? name.charAt(0).toUpperCase() + name.slice(1)) : words.visitor),
  };
}

/** What somebody chose on this device; else a hosted inbox speaks the browser's language, and the sample, whose people do so, English. */
function asked(): string {
  const chosen = localStorage.getItem(KEY);
  if (chosen !== null && isSpoken(chosen)) return chosen;
  return isDemo ? LANGUAGES[0][0] : (navigator.languages.find(isSpoken) ?? 'en');
}

async function speak(tag: string): Promise<void> {
  wanted = tag;
  // What cannot be loaded is not spoken: the page stays in the language that it has.
  const spoken = await (OTHERS[codeOf(tag)]?.().catch(() => null) ?? ENGLISH);
  if (wanted !== tag || spoken === null) return;
  language = languageOf(tag, spoken);
  document.documentElement.lang = tag;
  document.documentElement.dir = codeOf(tag) === 'ar' ? 'rtl' : 'ltr';
  for (const listener of listeners) listener();
}

/** Before the first paint. */
export const startLanguage = (): Promise<void> => speak(asked());

export function chooseLanguage(tag: string): void {
  localStorage.setItem(KEY, tag);
  void speak(tag);
}

/** For what is said outside of components. */
export const currentLanguage = (): Language => language;

export const useLanguage = (): Language =>
  useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, currentLanguage);

export const useWords = (): Words => useLanguage().words;

import { useSyncExternalStore } from 'react';
import { isDemo } from './server';

/** What the chat speaks. */
export const LOCALES = [['en-GB', 'English'], ['es', 'Español'], ['de', 'Deutsch'], ['ar', 'العربية']] as const;

const KEY = 'latchkey:locale';
const listeners = new Set<() => void>();

/** What somebody chose on this device; else a hosted inbox speaks the browser's language, and the sample, whose people do so, English. */
function current(): string {
  return localStorage.getItem(KEY) ?? (isDemo ? LOCALES[0][0] : navigator.language);
}

export function chooseLocale(tag: string) {
  localStorage.setItem(KEY, tag);
  for (const listener of listeners) listener();
}

export const useLocale = (): string =>
  useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, current);

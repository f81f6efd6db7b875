import { useSyncExternalStore } from 'react';

export type Theme = 'light' | 'dark';

const KEY = 'latchkey:theme';
const dark = matchMedia('(prefers-color-scheme: dark)');
const listeners = new Set<() => void>();

/** What somebody chose on this device, else what the system says. */
function current(): Theme {
  const chosen = localStorage.getItem(KEY);
  if (chosen === 'light' || chosen === 'dark') return chosen;
  return dark.matches ? 'dark' : 'light';
}

function show() {
  document.documentElement.dataset.theme = current();
  for (const listener of listeners) listener();
}

/** Before the first paint. */
export function startTheme() {
  dark.addEventListener('change', show);
  show();
}

export function chooseTheme(theme: Theme) {
  localStorage.setItem(KEY, theme);
  show();
}

export const useTheme = (): Theme =>
  useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, current);

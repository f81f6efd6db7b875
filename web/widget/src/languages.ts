import { en, type Texts } from '@doorbell/react';
import { languageOf } from './words.js';

// A visitor needs one language. The build leaves the others out of what the React package brings along.
const OTHERS: Record<string, () => Promise<Texts>> = {
  ar: async () => (await import('@doorbell/react/texts/ar')).ar,
  de: async () => (await import('@doorbell/react/texts/de')).de,
  es: async () => (await import('@doorbell/react/texts/es')).es,
};

export async function loadTexts(locale: string): Promise<Texts> {
  const load = OTHERS[languageOf(locale)];
  // A language that does not come is no reason to have no chat.
  return (await load?.().catch(() => null)) ?? en;
}

import { texts as en, type PanelTexts } from './texts/en.js';
import { languageOf } from './words.js';

// A visitor needs one language. The build leaves the others out of what the React package brings along.
const OTHERS: Record<string, () => Promise<{ texts: PanelTexts }>> = {
  ar: () => import('./texts/ar.js'),
  de: () => import('./texts/de.js'),
  es: () => import('./texts/es.js'),
};

export async function loadTexts(locale: string): Promise<PanelTexts> {
  const load = OTHERS[languageOf(locale)];
  // A language that does not come is no reason to have no chat.
  return (await load?.().catch(() => null))?.texts ?? en;
}

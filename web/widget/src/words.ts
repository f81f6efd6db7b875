// The few words of the loader, which must stay small. A test compares those that the React package has as well.
const WORDS = {
  en: { contact: 'Contact owner', messages: 'Messages', failed: 'The chat could not be loaded. Please try again.' },
  es: { contact: 'Contactar con el propietario', messages: 'Mensajes', failed: 'No se ha podido cargar el chat. Inténtalo de nuevo.' },
  de: { contact: 'Anbieter kontaktieren', messages: 'Nachrichten', failed: 'Der Chat konnte nicht geladen werden. Bitte noch einmal versuchen.' },
  ar: { contact: 'تواصل مع المالك', messages: 'الرسائل', failed: 'تعذّر تحميل المحادثة. حاول مرة أخرى.' },
};

export type LoaderWords = (typeof WORDS)['en'];

const isKnown = (language: string): language is keyof typeof WORDS => Object.hasOwn(WORDS, language);

/** The language of the widget: what is set, else the page's, else the browser's. */
export const localeOf = (locale: string | undefined): string => locale || document.documentElement.lang || navigator.language || 'en';

export const languageOf = (locale: string): string => locale.split('-')[0]!.toLowerCase();

export function wordsFor(locale: string): LoaderWords {
  const language = languageOf(locale);
  return WORDS[isKnown(language) ? language : 'en'];
}

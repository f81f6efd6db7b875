import { ar } from './ar.js';
import { de } from './de.js';
import { en, type Plural, type Texts } from './en.js';
import { es } from './es.js';

export type { Plural, Texts, TextKey } from './en.js';
export { ar, de, en, es };

const shipped: Record<string, Texts> = { en, es, de, ar };
const RIGHT_TO_LEFT = new Set(['ar', 'he', 'fa', 'ur']);

export type TextValues = Record<string, string | number>;

/** Texts, times and numbers in one language. */
export interface Wording {
  locale: string;
  direction: 'ltr' | 'rtl';
  texts: Texts;
  /** The text for a key; its plural form is chosen by `values.count`. */
  say(key: keyof Texts, values?: TextValues): string;
  number(value: number): string;
  percent(share: number): string;
  /** A size of a file, for example "81.2 kB". */
  bytes(size: number): string;
  /** For example "8 sec". */
  seconds(count: number): string;
  names(names: string[]): string;
}

export function fill(template: string, values: TextValues): string {
  return template.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** `locale` is a BCP 47 tag; a language that is not shipped speaks English, with its own times and numbers. */
export function wordingFor(locale: string, changed?: Partial<Texts>): Wording {
  const tag = isTag(locale) ? locale : 'en';
  const language = tag.split('-')[0]!.toLowerCase();
  const base = shipped[language] ?? en;
  const texts = changed ? { ...base, ...changed } : base;
  // Plural forms belong to the language of the texts, which is English where the reader's is not shipped.
  const rules = new Intl.PluralRules(language in shipped || changed ? tag : 'en');
  const numbers = new Intl.NumberFormat(tag);
  const percents = new Intl.NumberFormat(tag, { style: 'percent' });
  return {
    locale: tag,
    direction: RIGHT_TO_LEFT.has(language) ? 'rtl' : 'ltr',
    texts,
    say(key, values = {}) {
      const text: string | Plural = texts[key];
      const shown: TextValues = typeof values.count === 'number' ? { ...values, count: numbers.format(values.count) } : values;
      if (typeof text === 'string') return fill(text, shown);
      return fill(text[rules.select(Number(values.count ?? 0))] ?? text.other, shown);
    },
    number: (value) => numbers.format(value),
    percent: (share) => percents.format(share),
    bytes: (size) => bytes(tag, size),
    seconds: (count) => new Intl.NumberFormat(tag, { style: 'unit', unit: 'second', unitDisplay: 'short' }).format(count),
    names: (names) => new Intl.ListFormat(tag, { type: 'conjunction' }).format(names),
  };
}

const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte'] as const;

// Limits are set in MiB, and "10 MiB" is what people call 10 MB.
function bytes(locale: string, size: number): string {
  const power = size < 1024 ? 0 : Math.min(3, Math.floor(Math.log2(size) / 10));
  return new Intl.NumberFormat(locale, { style: 'unit', unit: UNITS[power]!, unitDisplay: power === 0 ? 'long' : 'short', maximumFractionDigits: power === 0 ? 0 : 1 })
    .format(size / 1024 ** power);
}

function isTag(locale: string): boolean {
  try {
    return Intl.getCanonicalLocales(locale).length === 1;
  } catch {
    return false;
  }
}

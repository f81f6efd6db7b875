import type { Wording } from './index.js';

const DAY = 86_400_000;

/** A number that is equal for two times of one day in the reader's time zone, and one more for the next day. */
export function dayOf(time: number): number {
  return Math.floor((time - new Date(time).getTimezoneOffset() * 60_000) / DAY);
}

// A formatter takes a hundred times as long to make as to use.
const formatters = new Map<string, Intl.DateTimeFormat>();
function format(locale: string, time: number, options: Intl.DateTimeFormatOptions): string {
  const key = `${locale} ${JSON.stringify(options)}`;
  let formatter = formatters.get(key);
  if (!formatter) formatters.set(key, (formatter = new Intl.DateTimeFormat(locale, options)));
  return formatter.format(time);
}

export const clockTime = ({ locale }: Wording, time: number) => format(locale, time, { hour: '2-digit', minute: '2-digit' });

export const exactTime = ({ locale }: Wording, time: number) => format(locale, time, { dateStyle: 'full', timeStyle: 'short' });

/** "Today", "Yesterday", else the date. */
export function dayName(wording: Wording, time: number, now = Date.now()): string {
  const days = dayOf(now) - dayOf(time);
  if (days === 0) return wording.texts.today;
  if (days === 1) return wording.texts.yesterday;
  return format(wording.locale, time, days > 0 && days < 330 ? { weekday: 'long', day: 'numeric', month: 'long' } : { dateStyle: 'long' });
}

/** For a row of a list: the time today, then "Yesterday", the weekday, the date. */
export function shortTime(wording: Wording, time: number, now = Date.now()): string {
  const days = dayOf(now) - dayOf(time);
  if (days <= 0) return clockTime(wording, time);
  if (days === 1) return wording.texts.yesterday;
  if (days < 7) return format(wording.locale, time, { weekday: 'long' });
  return format(wording.locale, time, days < 330 ? { day: 'numeric', month: 'short' } : { dateStyle: 'short' });
}

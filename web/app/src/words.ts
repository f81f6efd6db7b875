import type { Terms } from './api';

export const TERMS: Record<Terms, string> = { rent: 'To rent', stay: 'To stay', sale: 'For sale' };

const DATE = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'long' });
const RELATIVE = new Intl.RelativeTimeFormat('en-GB', { numeric: 'auto' });
const HOUR_MS = 3_600_000;

/** "3 hours ago", "yesterday", "14 October". */
export function ago(time: string): string {
  const passed = Date.now() - Date.parse(time);
  if (passed < HOUR_MS) return RELATIVE.format(-Math.max(0, Math.round(passed / 60_000)), 'minute');
  if (passed < 24 * HOUR_MS) return RELATIVE.format(-Math.round(passed / HOUR_MS), 'hour');
  if (passed < 7 * 24 * HOUR_MS) return RELATIVE.format(-Math.round(passed / (24 * HOUR_MS)), 'day');
  return DATE.format(new Date(time));
}

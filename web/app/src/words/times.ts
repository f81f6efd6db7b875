const HOUR_MS = 3_600_000;

/** "3 hours ago", "yesterday", "14 October", in a language. */
export function agoIn(tag: string): (time: string) => string {
  const date = new Intl.DateTimeFormat(tag, { day: 'numeric', month: 'long' });
  const relative = new Intl.RelativeTimeFormat(tag, { numeric: 'auto' });
  return (time) => {
    const passed = Date.now() - Date.parse(time);
    if (passed < HOUR_MS) return relative.format(-Math.max(0, Math.round(passed / 60_000)), 'minute');
    if (passed < 24 * HOUR_MS) return relative.format(-Math.round(passed / HOUR_MS), 'hour');
    if (passed < 7 * 24 * HOUR_MS) return relative.format(-Math.round(passed / (24 * HOUR_MS)), 'day');
    return date.format(new Date(time));
  };
}

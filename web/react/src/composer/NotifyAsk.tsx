import { useState } from 'react';
import { useSurroundings } from '../provider/context.js';
import { icon, path } from '../theme/icons.js';

const BellIcon = icon(path('M6 16.5V11a6 6 0 0 1 12 0v5.5l1.5 1.5h-15Zm4 4h4'));

const ANSWERED = 'doorbell:notifications-asked';

function wasAnswered(): boolean {
  try {
    return localStorage.getItem(ANSWERED) !== null;
  } catch {
    return true;
  }
}

/** Asks in our own words, after the first message was sent: a browser's question that nobody expects is refused for good. */
export function NotifyAsk({ name }: { name: string }) {
  const { wording, announcements } = useSurroundings();
  const { texts } = wording;
  const [isDone, setDone] = useState(() => typeof Notification === 'undefined' || Notification.permission !== 'default' || wasAnswered());
  if (isDone) return null;
  const answer = (agreed: boolean) => {
    try {
      localStorage.setItem(ANSWERED, agreed ? 'yes' : 'no');
    } catch {
      // Without storage it is asked again another time.
    }
    setDone(true);
    if (agreed) void Notification.requestPermission().then((permission) => permission === 'denied' && announcements.polite(texts.notifyBlocked));
  };
  return (
    <div className="db-ask" role="group" aria-label={wording.say('notifyAsk', { name })}>
      <BellIcon />
      <span className="db-ask-text">{wording.say('notifyAsk', { name })}</span>
      <button type="button" className="db-button db-button-primary db-button-small" onClick={() => answer(true)}>{texts.notifyYes}</button>
      <button type="button" className="db-button db-button-small" onClick={() => answer(false)}>{texts.notifyNo}</button>
    </div>
  );
}

import type { ConnectionState } from '@doorbell/client';
import { useEffect, useState } from 'react';
import { useSurroundings } from '../provider/context.js';
import { useSession } from '../provider/hooks.js';

/** A connection that is back in less is nobody's business. */
const PATIENCE_MILLISECONDS = 3_000;

/** Has this state gone on for so long that people should know? */
function useOverdue({ status, since }: ConnectionState): boolean {
  const [, wake] = useState(0);
  const isWaited = status === 'connecting' || status === 'offline';
  const due = since + PATIENCE_MILLISECONDS;
  useEffect(() => {
    if (!isWaited || Date.now() >= due) return;
    const timer = setTimeout(() => wake((times) => times + 1), due - Date.now());
    return () => clearTimeout(timer);
  }, [isWaited, due]);
  return isWaited ? Date.now() >= due : status !== 'online';
}

/** Whole seconds until this time, as they pass; 0 or less when it has come. */
function useSecondsUntil(time: number): number {
  const [, wake] = useState(0);
  const seconds = Math.ceil((time - Date.now()) / 1_000);
  useEffect(() => {
    const timer = seconds > 0 && setTimeout(() => wake((times) => times + 1), 1_000);
    return () => clearTimeout(timer || undefined);
  });
  return seconds;
}

/** A quiet line about the connection: nothing while it is well. */
export function ConnectionBar() {
  const { wording, onSignIn } = useSurroundings();
  const { state, connect } = useSession();
  const isOverdue = useOverdue(state);
  const seconds = useSecondsUntil(isOverdue && state.status === 'offline' ? state.retryAt ?? 0 : 0);
  const { texts } = wording;
  if (!isOverdue) return null;
  const sentence = {
    connecting: texts.connecting,
    offline: texts.offlineBar,
    polling: texts.polling,
    refused: wording.say('refused', { reason: state.reason?.message ?? '' }),
    'signed-out': texts.signedOut,
    online: '',
  }[state.status];
  const action = state.status === 'signed-out' ? onSignIn && { text: texts.signIn, run: onSignIn }
    : state.status === 'polling' ? undefined : { text: texts.tryAgain, run: connect };
  return (
    <div className="db-connection" data-status={state.status}>
      <span>{sentence}{seconds > 0 && <> <span className="db-connection-retry">{wording.say('retryIn', { time: wording.seconds(seconds) })}</span></>}</span>
      {action && <button type="button" className="db-link" onClick={action.run}>{action.text}</button>}
    </div>
  );
}

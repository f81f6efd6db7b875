import { DoorbellError, type ClientOptions } from '@doorbell/client';
import type { Surroundings } from './api.js';

/** What the site's endpoint answers for a session that it does not know. */
const SIGNED_OUT = new Set([401, 403]);

/** Where tokens come from; `undefined`: the server is asked with the session cookie. */
export function tokenSource({ settings, api }: Surroundings): ClientOptions['token'] {
  const { tokenUrl } = settings;
  // Looked up at each call: a page may put it there later than this script came.
  if (!tokenUrl) return api.getToken && (async () => (await api.getToken?.()) ?? null);
  return async () => {
    const response = await fetch(tokenUrl, { method: 'POST', credentials: 'include', headers: { accept: 'application/json' } });
    if (SIGNED_OUT.has(response.status)) return null;
    const answer = (await response.json().catch(() => null)) as { token?: unknown } | null;
    if (response.ok && answer && (typeof answer.token === 'string' || answer.token === null)) return answer.token;
    if (response.status >= 500) throw new DoorbellError('UNAVAILABLE', 'The sign-in of this site does not answer.');
    const sentence = `${tokenUrl} answered ${response.status} and no { "token": ... }. data-token-url must name a route that answers a POST with it, or with 401.`;
    throw new DoorbellError('TOKEN_URL', sentence);
  };
}

/** What "Sign in" does; `undefined`: the site has said nothing of it, so there is no button. */
export function signIn({ settings, api }: Surroundings): (() => void) | undefined {
  if (api.onSignIn) return () => api.onSignIn?.();
  const { signInUrl } = settings;
  return signInUrl ? () => location.assign(signInUrl.replace('{url}', encodeURIComponent(location.href))) : undefined;
}

import type { Reason } from '@doorbell/client';

/**
 * Why the server cannot be reached. A browser does not tell a page that was refused from a network that is down, or from one
 * that knows no sockets, so this looks whether the server answers at all, and whether this page may read it.
 */
export async function whyUnreachable(server: string, fallback: Reason): Promise<Reason> {
  const ask = (mode: RequestMode) => fetch(`${server}/healthz`, { mode, cache: 'no-store' }).then(() => true, () => false);
  if ((await ask('cors')) || !(await ask('no-cors'))) return fallback;
  return { code: 'ORIGIN_REFUSED', message: `The chat at ${server} does not let in pages of ${location.origin}. FRONTEND_URL must name that address.` };
}

import type { Reason } from '@doorbell/client';

/** A page for each code. */
const ERRORS = 'https://github.com/doorbell-chat/doorbell/blob/main/docs/errors.md';

/** For the page's developer: what is wrong, how to mend it, and where more is written. */
export function complain({ code, message }: Reason): void {
  console.error(`Doorbell: ${message} (${code}: ${ERRORS}#${code.toLowerCase()})`);
}

/**
 * Why the server cannot be reached. A browser does not tell a page that was refused from a network that is down, so this looks
 * whether the server answers at all.
 */
export async function whyUnreachable(server: string, fallback: Reason): Promise<Reason> {
  try {
    await fetch(`${server}/healthz`, { mode: 'no-cors', cache: 'no-store' });
  } catch {
    return fallback;
  }
  return { code: 'ORIGIN_REFUSED', message: `The chat at ${server} does not let in pages of ${location.origin}. FRONTEND_URL must name that address.` };
}

/** Tells of requests to the server that the page's own policy forbids. */
export function watchPolicy(server: string, onReason: (reason: Reason) => void): () => void {
  const host = new URL(server).host;
  const look = ({ blockedURI, effectiveDirective }: SecurityPolicyViolationEvent) => {
    if (!URL.canParse(blockedURI) || new URL(blockedURI).host !== host) return;
    onReason({ code: 'POLICY', message: `The page's Content-Security-Policy does not allow ${blockedURI}. Its ${effectiveDirective} must name ${new URL(blockedURI).origin}.` });
  };
  document.addEventListener('securitypolicyviolation', look);
  return () => document.removeEventListener('securitypolicyviolation', look);
}

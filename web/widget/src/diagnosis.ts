import type { Reason } from '@doorbell/client';

/** A page for each code. */
const ERRORS = 'https://github.com/doorbell-chat/doorbell/blob/main/docs/errors.md';

/** For the page's developer: what is wrong, how to mend it, and where more is written. */
export function complain({ code, message }: Reason): void {
  console.error(`Doorbell: ${message} (${code}: ${ERRORS}#${code.toLowerCase()})`);
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

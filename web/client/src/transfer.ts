import { DoorbellError, refusal } from './errors.js';

export interface TransferRequest {
  method: string;
  url: string;
  headers: Record<string, string>;
  body?: Blob | FormData;
  signal: AbortSignal;
  /** How many bytes of the body have left; only browsers can tell. */
  onProgress?: (loaded: number) => void;
}

export interface TransferAnswer {
  status: number;
  header(name: string): string | null;
  text: string;
}

export type Transfer = (request: TransferRequest) => Promise<TransferAnswer>;

const unreachable = () => new DoorbellError('NETWORK', 'The server cannot be reached.');
const stopped = () => new DoorbellError('ABORTED', 'The upload was stopped.');

/** By XMLHttpRequest: `fetch` does not tell how much has left. */
const byRequest: Transfer = ({ method, url, headers, body, signal, onProgress }) =>
  new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    if (onProgress) request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onload = () => resolve({ status: request.status, header: (name) => request.getResponseHeader(name), text: request.responseText });
    request.onerror = request.ontimeout = () => reject(unreachable());
    request.onabort = () => reject(stopped());
    signal.addEventListener('abort', () => request.abort());
    if (signal.aborted) reject(stopped());
    else request.send(body ?? null);
  });

const byFetch =
  (fetch: typeof globalThis.fetch): Transfer =>
  async ({ method, url, headers, body, signal }) => {
    try {
      const response = await fetch(url, { method, headers, signal, ...(body && { body }) });
      return { status: response.status, header: (name) => response.headers.get(name), text: await response.text() };
    } catch {
      throw signal.aborted ? stopped() : unreachable();
    }
  };

export const transferOf = (fetch: typeof globalThis.fetch): Transfer => (typeof XMLHttpRequest === 'undefined' ? byFetch(fetch) : byRequest);

/** The answer, if it is a good one. */
export function good(answer: TransferAnswer): TransferAnswer {
  if (answer.status >= 200 && answer.status < 300) return answer;
  throw refusal(answer.status, answer.text, answer.header('retry-after'));
}

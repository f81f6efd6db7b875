// One user's (or the host application's) way to the REST routes, over Node's own fetch.

export class Rest {
  /** `base`: an address, or what gives one for each call. */
  constructor(base, headers = {}) {
    this.base = typeof base === 'function' ? base : () => base;
    this.headers = headers;
  }

  /** `body`: FormData goes out as multipart, a string as raw JSON text, anything else is turned into JSON. */
  async call(method, path, body, headers = {}) {
    const init = { method, headers: { ...this.headers, ...headers }, redirect: 'manual', signal: AbortSignal.timeout(40_000) };
    if (body !== undefined) {
      const raw = body instanceof FormData || typeof body === 'string' || body instanceof Uint8Array;
      init.body = raw ? body : JSON.stringify(body);
      if (!(body instanceof FormData)) init.headers = { 'content-type': 'application/json', ...init.headers };
    }
    for (const [name, value] of Object.entries(init.headers)) if (value === undefined) delete init.headers[name];
    const response = await fetch(this.base() + path, init);
    const text = await response.text();
    let parsed = text;
    try {
      parsed = JSON.parse(text);
    } catch {
      // not JSON: the text itself is the body
    }
    return { status: response.status, headers: response.headers, body: parsed, text };
  }

  get = (path, headers) => this.call('GET', path, undefined, headers);
  post = (path, body, headers) => this.call('POST', path, body, headers);
  put = (path, body, headers) => this.call('PUT', path, body, headers);
  patch = (path, body, headers) => this.call('PATCH', path, body, headers);
  delete = (path, headers) => this.call('DELETE', path, undefined, headers);
}

/** The address in `Link: <...>; rel="next"`, as a path, or null. */
export function nextLink(response) {
  const found = /<([^>]+)>\s*;\s*rel="?next"?/.exec(response.headers.get('link') ?? '');
  if (!found) return null;
  const url = new URL(found[1], 'http://relative.invalid');
  return url.pathname + url.search;
}

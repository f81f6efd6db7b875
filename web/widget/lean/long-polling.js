// Long polling by fetch: a third of the code that the transport by XMLHttpRequest has, and all that this client asks of it.
import { Polling } from '#engine/transports/polling.js';

export class LongPolling extends Polling {
  doPoll() {
    void this._ask(undefined, (text) => this.onData(text));
  }

  doWrite(body, done) {
    void this._ask(body, done);
  }

  async _ask(body, done) {
    let answer, text;
    try {
      answer = await fetch(this.uri(), { method: body === undefined ? 'GET' : 'POST', body, credentials: 'omit' });
      text = await answer.text();
    } catch (error) {
      return this.onError('fetch error', error);
    }
    if (!answer.ok) return this.onError('fetch error', answer.status, { getResponseHeader: (name) => answer.headers.get(name) });
    done(text);
  }
}

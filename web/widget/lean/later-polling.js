// Most networks let WebSockets through, so the other transport is fetched when the first has failed.
import { Transport } from '#engine/transport.js';
import { lookWhetherOutdated } from '../src/later.tsx';

export class LaterPolling extends Transport {
  get name() {
    return 'polling';
  }

  doOpen() {
    import('./long-polling.js').then(
      ({ LongPolling }) => {
        // Whoever has given it up meanwhile must not find it open.
        if (this.readyState !== 'opening') return;
        // The engine holds on to this object and listens to it, so it becomes what it stands for. A private method would not
        // come along.
        Object.setPrototypeOf(this, LongPolling.prototype);
        this.doOpen();
      },
      (fault) => {
        void lookWhetherOutdated();
        this.onError('fetch error', fault);
      },
    );
  }

  doClose() {}
}

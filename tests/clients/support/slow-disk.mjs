// A deployment whose flushes take longer: SQLite's own, or those of a PostgreSQL of its own.
import { Doorbell, SETUP } from './doorbell.mjs';
import { Postgres } from './postgres.mjs';
import { slowSync } from './preload.mjs';

/** Started for the test `t`, and ended with it; each flush takes so many microseconds more. */
export async function onSlowDisk(t, microseconds) {
  const slow = slowSync(microseconds);
  const options = {};
  if (SETUP === 'sqlite') options.env = slow;
  else {
    options.postgres = await Postgres.start({ env: slow });
    t.after(() => options.postgres.remove());
  }
  const server = await Doorbell.start(options);
  t.after(() => server.stop());
  return server;
}

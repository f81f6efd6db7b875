// On which setup the tests run: DOORBELL_TEST_SETUP is `sqlite` (one node, its file), `postgres` (one node), or
// `cluster` (two nodes on one PostgreSQL and one Redis, the clients spread over both).
import { appendFileSync } from 'node:fs';
import { test } from './test.mjs';

const SETUPS = ['sqlite', 'postgres', 'cluster'];

export const SETUP = process.env.DOORBELL_TEST_SETUP || 'sqlite';
if (!SETUPS.includes(SETUP)) throw new Error(`DOORBELL_TEST_SETUP is "${SETUP}"; write one of ${SETUPS.join(', ')}`);

/** How many nodes a deployment has, unless a test says otherwise. */
export const NODES = SETUP === 'cluster' ? 2 : 1;

/**
 * A `test` for what only these setups have, with the reason. On the others nothing is registered, so that nothing looks
 * as if it had been tested; the run counts those tests, with their reasons.
 */
export function onlyOn(setups, reason) {
  const wanted = [setups].flat();
  for (const setup of wanted) if (!SETUPS.includes(setup)) throw new Error(`there is no setup "${setup}"`);
  if (!reason) throw new Error('say why it is of these setups alone');
  if (wanted.includes(SETUP)) return test;
  return (name) => {
    const note = `${JSON.stringify({ name, wanted, reason })}\n`;
    if (process.env.DOORBELL_TEST_ABSENT) appendFileSync(process.env.DOORBELL_TEST_ABSENT, note);
  };
}

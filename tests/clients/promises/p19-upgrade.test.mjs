// P19 (the schema's part): an older binary refuses a newer schema, and a migration that is killed leaves the old schema or
// the new one, never something between.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { binary, Doorbell, onlyOn, range, run, SETUP, sleep, test } from '../support/doorbell.mjs';
import { Postgres } from '../support/postgres.mjs';

const KILLS = 14;

/** A database that nobody has opened yet: how to name it, ask it, and be rid of it. */
async function emptyDatabase() {
  if (SETUP === 'sqlite') {
    const folder = mkdtempSync(path.join(tmpdir(), 'doorbell-schema-'));
    const file = path.join(folder, 'doorbell.db');
    const ask = (statement) => {
      const script = 'import sqlite3, sys\nd = sqlite3.connect(sys.argv[1], isolation_level=None)\nprint("\\n".join("|".join(map(str, r)) for r in d.execute(sys.argv[2]).fetchall()))';
      return execFileSync('python3', ['-c', script, file, statement], { encoding: 'utf8' }).trim();
    };
    return {
      url: `sqlite://${file}`,
      things: () => (existsSync(file) ? ask("SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY 1, 2") : ''),
      step: () => Number(existsSync(file) ? ask('PRAGMA user_version') : 0),
      setStep: (number) => ask(`PRAGMA user_version = ${number}`),
      remove: () => rmSync(folder, { recursive: true }),
    };
  }
  const postgres = await Postgres.shared();
  const { name, url } = await postgres.newDatabase();
  const things = () => postgres.sql(name, "SELECT c.relkind, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'doorbell' ORDER BY 1, 2");
  return {
    url,
    things,
    step: async () => ((await things()) === '' ? 0 : Number(await postgres.sql(name, 'SELECT coalesce(max(number), 0) FROM doorbell.schema_step'))),
    setStep: (number) => postgres.sql(name, `INSERT INTO doorbell.schema_step (number) VALUES (${number})`),
    remove: () => postgres.drop(name),
  };
}

test('an older binary refuses a newer schema in a sentence, and changes nothing', async (t) => {
  const database = await emptyDatabase();
  t.after(() => database.remove());
  const env = { DOORBELL_DATABASE_URL: database.url, DOORBELL_LISTEN: '127.0.0.1:9' };
  const first = await run(['migrate'], env);
  assert.equal(first.code, 0, first.output);
  const things = await database.things();
  await database.setStep(99);
  for (const command of ['migrate', 'serve']) {
    const { code, output } = await run([command], env);
    assert.equal(code, 2, output);
    assert.match(output, /99/);
    assert.match(output, /newer Doorbell/);
    assert.doesNotMatch(output, /panicked/);
  }
  assert.equal(await database.things(), things);
  assert.equal(await database.step(), 99);
});

test(`a migration killed ${KILLS} times at any moment leaves the old schema or the new one`, { timeout: 180_000 }, async (t) => {
  const whole = await emptyDatabase();
  t.after(() => whole.remove());
  const begun = Date.now();
  const made = await run(['migrate'], { DOORBELL_DATABASE_URL: whole.url });
  const took = Date.now() - begun;
  assert.equal(made.code, 0, made.output);
  const [things, step] = [await whole.things(), await whole.step()];
  assert.ok(step > 0 && things.split('\n').length > 5, things);
  const ends = { old: 0, new: 0 };
  const wholeAt = new Map([[0, ''], [step, things]]);
  // Each kill comes a little later after an old schema was left, and a little earlier after a new one: so most of them come
  // around the moment at which the one becomes the other.
  let delay = took / 2;
  for (const _ of range(KILLS)) {
    const database = await emptyDatabase();
    t.after(() => database.remove());
    const child = spawn(binary(), ['migrate'], { cwd: tmpdir(), env: { PATH: process.env.PATH, DOORBELL_DATABASE_URL: database.url }, stdio: 'ignore' });
    const ended = new Promise((resolve) => child.on('close', resolve));
    await sleep(delay);
    child.kill('SIGKILL');
    await ended;
    const [found, at] = [await database.things(), await database.step()];
    // Each step from one schema to the next is whole by itself.
    if (!wholeAt.has(at)) wholeAt.set(at, found);
    assert.ok(at >= 0 && at <= step, `the schema's number is ${at}`);
    assert.equal(found, wholeAt.get(at), 'nothing between');
    ends[at < step ? 'old' : 'new'] += 1;
    delay *= at < step ? 1.25 : 0.85;
    const again = await run(['migrate'], { DOORBELL_DATABASE_URL: database.url });
    assert.equal(again.code, 0, again.output);
    assert.equal(await database.things(), things);
  }
  assert.ok(ends.old > 0 && ends.new > 0, `the kills came all too early or all too late: ${JSON.stringify(ends)}`);
  t.diagnostic(`${took} ms uninterrupted; ${ends.old} times the old schema, ${ends.new} times the new one`);
});

onlyOn(['postgres', 'cluster'], 'several processes may open one database')('four nodes that start together on an empty database all come up', { timeout: 60_000 }, async (t) => {
  const database = await emptyDatabase();
  const servers = await Promise.all(range(4).map(() => Doorbell.start({ env: { DOORBELL_DATABASE_URL: database.url }, nodes: 1 })));
  t.after(async () => {
    for (const server of servers) await server.stop();
    await database.remove();
  });
  const [ann, bob] = await servers[0].people('ann', 'bob');
  const { id } = await servers[1].direct(ann, bob);
  for (const [number, server] of servers.entries()) await server.say(ann, id, `number ${number}`);
  assert.deepEqual((await servers[3].history(bob, id)).map((m) => m.seq), [1, 2, 3, 4]);
});

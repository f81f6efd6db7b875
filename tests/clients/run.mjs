// Runs test files on one setup, several at the same time: `node run.mjs [files...]`. Servers of others (PostgreSQL,
// Redis) are started once for all of them, and end with the run.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Postgres } from './support/postgres.mjs';
import { Redis } from './support/redis.mjs';
import { SETUP } from './support/setup.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
// Most of a file's time is waiting for what takes its time: graces, time limits, restarts.
const FILES_AT_ONCE = Number(process.env.DOORBELL_TEST_CONCURRENCY || 8);

const testFiles = (folder) => readdirSync(path.join(here, folder)).filter((name) => name.endsWith('.test.mjs')).sort().map((name) => path.join(folder, name));
const asked = process.argv.length > 2 ? process.argv.slice(2) : [...testFiles('promises'), ...testFiles('.')];
/** A file that begins with `// Setups: ...` has nothing for the others; the runner would count it as one test that passes. */
const isOfThisSetup = (file) => (/^\/\/ Setups: (.*)\.$/m.exec(readFileSync(path.join(here, file), 'utf8'))?.[1].split(', ') ?? [SETUP]).includes(SETUP);
const files = asked.filter(isOfThisSetup);

const folder = mkdtempSync(path.join(tmpdir(), 'doorbell-tests-'));
const absent = path.join(folder, 'absent');
writeFileSync(absent, '');
const servers = [];
const env = { ...process.env, DOORBELL_TEST_SETUP: SETUP, DOORBELL_TEST_ABSENT: absent };
delete env.NODE_OPTIONS;
let code = 1;
try {
  if (SETUP !== 'sqlite') servers.push(await Postgres.start());
  if (SETUP === 'cluster') servers.push(await Redis.start());
  for (const server of servers) Object.assign(env, server.asShared());
  const tests = spawn(process.execPath, ['--test', `--test-concurrency=${FILES_AT_ONCE}`, '--test-reporter=spec', ...files], { cwd: here, env, stdio: 'inherit' });
  // An interrupt reaches the tests as well; this waits for them, to end its servers last.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => tests.kill(signal));
  code = await new Promise((resolve) => tests.on('close', (status) => resolve(status ?? 1)));
} finally {
  for (const server of servers) await server.remove();
}
const elsewhere = readFileSync(absent, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
rmSync(folder, { recursive: true, force: true });
console.log(`setup ${SETUP}: ${files.length} files; ${asked.length - files.length} files and ${elsewhere.length} tests are of other setups alone`);
for (const file of asked) if (!isOfThisSetup(file)) console.log(`  ${file}`);
for (const { name, wanted, reason } of elsewhere) console.log(`  ${wanted.join(' and ')}: ${name} (${reason})`);
process.exitCode = code;

// Builds, measures in rounds, keeps every result as a line of JSON, and prints the table.
import { execFile, execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { floodedAfterCalm } from './flood.mjs';
import { facts, fsyncMs, load, tooFewFiles } from './machine.mjs';
import { readOptions } from './options.mjs';
import { faults, SCENARIOS } from './scenarios.mjs';
import { table } from './table.mjs';
import { BENCH, isDoorbell, restartOnceKilled, ROOT, start, stop, stopServices, TARGETS } from './targets.mjs';

const RESULTS = path.join(BENCH, 'results');
const LOADGEN = path.join(BENCH, 'loadgen/target/release/loadgen');
const PEER = path.join(BENCH, 'peer-node');
// Longer than any scenario with its setup.
const RUN_MS = 300_000;

const loadgen = (words, settings) => promisify(execFile)(LOADGEN, words, settings);
const say = (text) => console.log(`[${String(Math.round(performance.now() / 1000)).padStart(5)} s] ${text}`);

function build(options) {
  const run = (command, words, folder, environment = {}) =>
    execFileSync(command, words, { cwd: folder, stdio: 'inherit', env: { ...process.env, ...environment } });
  if (options.targets.some(isDoorbell)) {
    say('building Doorbell');
    run('cargo', ['build', '--release', '--locked', '--quiet'], ROOT);
  }
  say('building the load generator');
  run('cargo', ['build', '--release', '--locked', '--quiet'], path.join(BENCH, 'loadgen'));
  if (!options.targets.every(isDoorbell)) {
    say('installing the peer');
    if (!existsSync(path.join(PEER, 'node_modules'))) {
      run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel', 'error'], PEER);
    }
    if (!existsSync(path.join(PEER, 'generated'))) {
      // The schema engine would be downloaded and is not used: the tables come from schema.*.sql.
      run('npm', ['run', '--silent', 'generate'], PEER, { PRISMA_SCHEMA_ENGINE_BINARY: '/bin/true' });
    }
  }
}

async function measure(name, target, round, seconds) {
  const run = {
    scenario_name: name,
    target,
    round,
    load_before: load(),
    fsync_ms: fsyncMs(path.join(RESULTS, 'probe')),
  };
  const scenario = SCENARIOS[name];
  const server = await start(target, path.join(RESULTS, 'scratch'), scenario);
  try {
    const words = scenario.arguments(seconds, target);
    const ports = server.nodes.map(({ port }) => port).join();
    const common = ['--port', ports, '--pid', server.nodes.map(({ child }) => child.pid).join(), '--label', target];
    if (scenario.isKilled) restartOnceKilled(server);
    const measured = async () => JSON.parse((await loadgen([...words, ...common].map(String), { timeout: RUN_MS })).stdout);
    if (scenario.isFlooded) {
      Object.assign(run, await floodedAfterCalm(server, measured));
    } else {
      Object.assign(run, await measured());
    }
    if (run.rss_peak_kb) run.rss_growth_kb = run.rss_peak_kb - run.rss_before_kb;
    if (run.wall_s) run.loadgen_share = run.loadgen_cpu_s / run.wall_s;
    run.faults = faults(run);
  } catch (error) {
    run.faults = [`the run failed: ${(error.stderr || error.message).trim().split('\n').slice(0, 3).join(' ')}`];
  } finally {
    await stop(server);
  }
  return run;
}

function progress(run) {
  const shown = SCENARIOS[run.scenario_name].figures
    .filter(({ field }) => run[field] !== undefined)
    .map(({ field, name, digits, scale }) => `${name} ${(run[field] * scale).toFixed(digits)}`);
  return [
    ...shown,
    `load before ${run.load_before.toFixed(1)}`,
    `fsync ${run.fsync_ms.toFixed(2)} ms`,
    ...run.faults.map((fault) => `(!) ${fault}`),
  ].join(', ');
}

async function main() {
  const options = readOptions();
  if (options.help || options.problem) {
    (options.help ? console.log : console.error)(options.help ?? options.problem);
    return options.help ? 0 : 2;
  }
  if (options.table) {
    const [first, ...runs] = readFileSync(options.table, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    console.log(table(first, runs));
    return 0;
  }
  const problem = ['idle', 'comeback'].some((name) => options.scenarios.includes(name)) && tooFewFiles();
  if (problem) {
    console.error(`bench/run: ${problem}`);
    return 1;
  }
  if (options.build) build(options);
  mkdirSync(RESULTS, { recursive: true });
  const machine = { ...facts(), rounds: options.rounds, seconds: options.seconds, note: options.note };
  const file = path.join(RESULTS, `${machine.date.replaceAll(':', '-').slice(0, 19)}.jsonl`);
  const keep = (entry) => appendFileSync(file, `${JSON.stringify(entry)}\n`);
  keep(machine);
  const runs = [];
  for (let round = 1; round <= options.rounds; round++) {
    for (const name of options.scenarios) {
      const targets = SCENARIOS[name].targets.filter((target) => options.targets.includes(target));
      // Nobody is always first.
      const turn = round % targets.length;
      for (const target of [...targets.slice(turn), ...targets.slice(0, turn)]) {
        const run = await measure(name, target, round, options.seconds);
        runs.push(run);
        keep(run);
        say(`round ${round}/${options.rounds}, ${name}, ${TARGETS[target].title}: ${progress(run)}`);
      }
    }
  }
  console.log(`\n${table(machine, runs)}\nResults: ${path.relative(process.cwd(), file)}`);
  // Doorbell must be right in every run; that a peer keeps a slow reader is its own affair.
  return runs.some((run) => isDoorbell(run.target) && run.faults.length) ? 1 : 0;
}

try {
  process.exitCode = await main();
} finally {
  await stopServices();
}

// System calls of running processes, in one order for all of them, by strace.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually, unique } from './test.mjs';

const CALLS = 'write,writev,send,sendto,sendmsg,pwrite64,pwritev,fsync,fdatasync';

/** Watches these processes and all of their threads; `stop` gives the calls. */
export async function trace(...pids) {
  const file = path.join(tmpdir(), unique('doorbell-trace'));
  const child = spawn('strace', ['-f', '-yy', '-s', '100000', '-e', `trace=${CALLS}`, '-o', file, ...pids.flatMap((pid) => ['-p', String(pid)])], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk) => (said += chunk));
  let failed;
  child.on('error', (error) => (failed = error));
  const ended = new Promise((resolve) => child.on('close', resolve));
  await eventually(`strace attaches (it needs the right to trace other processes): ${said}`, () => {
    if (failed) throw failed;
    return pids.every((pid) => said.includes(`Process ${pid} attached`));
  });
  return {
    async stop() {
      child.kill('SIGINT');
      await ended;
      const lines = readFileSync(file, 'latin1').split('\n').filter(Boolean);
      rmSync(file);
      return calls(lines);
    },
  };
}

/**
 * Each call once: `name`, `file` (what the descriptor is), `text` (all arguments), and the lines at which it began and
 * ended, which differ where calls of several threads overlap.
 */
function calls(lines) {
  const open = new Map();
  const found = [];
  lines.forEach((line, at) => {
    const [, pid, rest] = /^(\d+)\s+(.*)$/s.exec(line) ?? [];
    if (!pid) return;
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/s.exec(rest);
    if (resumed) {
      const call = open.get(pid);
      open.delete(pid);
      if (call) Object.assign(call, { ended: at, result: resultOf(rest) });
      return;
    }
    const begun = /^(\w+)\(\d+<((?:->|[^>])*)>/s.exec(rest);
    if (!begun) return;
    const call = { pid: Number(pid), name: begun[1], file: begun[2], text: rest, began: at, ended: null, result: null };
    found.push(call);
    if (rest.endsWith('<unfinished ...>')) open.set(pid, call);
    else Object.assign(call, { ended: at, result: resultOf(rest) });
  });
  return found;
}

const resultOf = (text) => Number(/= (-?\d+)[^=]*$/.exec(text)?.[1] ?? NaN);

/**
 * For each mark: a write of it to a file of the log, then a whole flush of that file, then the answer that carries it.
 * `isLog` says which files are the log; answers are what is written to connections that came to one of these ports.
 */
export function assertFlushedBeforeAnswered(found, marks, { isLog, ports }) {
  const logWrites = found.filter((call) => call.name.startsWith('pwrite') && isLog(call.file));
  const flushes = found.filter((call) => /^f(data)?sync$/.test(call.name) && isLog(call.file) && call.result === 0);
  const answers = found.filter((call) => ports.some((port) => call.file.startsWith(`TCP:[127.0.0.1:${port}->`)));
  let judged = 0;
  for (const mark of marks) {
    const answer = answers.find((call) => call.text.includes(mark));
    assert.ok(answer, `no answer with ${mark} was seen`);
    // A page boundary may lie within a mark; then that one cannot be told.
    const written = logWrites.find((call) => call.text.includes(mark));
    if (!written) continue;
    judged += 1;
    assert.ok(written.began < answer.began, `${mark} was answered before it was written`);
    const flush = flushes.find((call) => call.file === written.file && call.began > written.began && call.ended < answer.began);
    assert.ok(flush, `${mark} was answered before a flush of ${written.file} had ended`);
  }
  assert.ok(judged >= marks.length * 0.9, `only ${judged} of ${marks.length} marks were seen in the log`);
}

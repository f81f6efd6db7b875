// What is said of the machine, and what it must have.
import { execFileSync } from 'node:child_process';
import { closeSync, fsyncSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import os from 'node:os';
import { ROOT } from './targets.mjs';

// 10,000 connections, a file each, and some more.
const OPEN_FILES = 11_000;

const output = (command, ...words) => {
  try {
    return execFileSync(command, words, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return 'unknown';
  }
};

export function facts() {
  return {
    date: new Date().toISOString(),
    cores: os.cpus().length,
    cpu: os.cpus()[0].model.trim(),
    memory_gb: Math.round(os.totalmem() / 2 ** 30),
    kernel: os.release(),
    node: process.version,
    rust: output('rustc', '--version').split(' ')[1],
    commit: output('git', 'rev-parse', '--short', 'HEAD'),
    // What was measured may not be what the commit holds.
    changed: output('git', 'status', '--porcelain', '--', 'src', 'crates', 'Cargo.toml', 'Cargo.lock') !== '',
  };
}

// A sentence, if too few files may be open. Node raises its own soft limit to the hard one, and so for its children.
export function tooFewFiles() {
  const line = readFileSync('/proc/self/limits', 'utf8')
    .split('\n')
    .find((line) => line.startsWith('Max open files'));
  const soft = Number(line.split(/\s+/)[3]);
  return soft < OPEN_FILES
    ? `Only ${soft} files may be open and ${OPEN_FILES} are needed for 10,000 connections: raise "ulimit -n".`
    : undefined;
}

export const load = () => os.loadavg()[0];

// Median milliseconds of a write of 4 KB that is forced to the disk: a store without group commit takes at least this
// long for each message, so figures of different hours compare only where it is alike.
export function fsyncMs(file) {
  const times = [];
  const probe = openSync(file, 'w');
  const block = Buffer.alloc(4096, 1);
  for (let count = 0; count < 41; count++) {
    const began = performance.now();
    writeSync(probe, block);
    fsyncSync(probe);
    times.push(performance.now() - began);
  }
  closeSync(probe);
  rmSync(file);
  return times.sort((one, other) => one - other)[20];
}

// Libraries that a server is started with, to give it a slow disk or another clock.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

let built;

/** The environment of a process each of whose flushes takes so much longer; the library is built once a process. */
export function slowSync(microseconds) {
  if (!built) {
    const folder = mkdtempSync(path.join(tmpdir(), 'doorbell-shim-'));
    process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
    // Processes of other users load it, too.
    chmodSync(folder, 0o755);
    built = path.join(folder, 'slow_sync.so');
    const source = fileURLToPath(new URL('../../shim/slow_sync.c', import.meta.url));
    execFileSync('cc', ['-shared', '-fPIC', '-O2', '-Wall', '-Werror', '-o', built, source, '-ldl'], { stdio: ['ignore', 'ignore', 'inherit'] });
  }
  return { LD_PRELOAD: built, SLOW_SYNC_MICROSECONDS: String(microseconds) };
}

/** A wall clock that can be put forward and back while the process runs; what measures time goes on as it is. */
export class FakeClock {
  constructor() {
    this.folder = mkdtempSync(path.join(tmpdir(), 'doorbell-clock-'));
    this.file = path.join(this.folder, 'offset');
    this.set(0);
  }

  /** `seconds` from the true time. */
  set(seconds) {
    writeFileSync(this.file, `${seconds < 0 ? '-' : '+'}${Math.abs(seconds)}`);
  }

  get env() {
    const root = '/usr/lib';
    const folders = readdirSync(root).map((name) => path.join(root, name, 'faketime', 'libfaketimeMT.so.1'));
    const library = folders.find((file) => readdirSyncOrNone(path.dirname(file)).includes(path.basename(file)));
    if (!library) throw new Error("libfaketime is not installed: install Debian's package faketime, then try again");
    return { LD_PRELOAD: library, FAKETIME_TIMESTAMP_FILE: this.file, FAKETIME_NO_CACHE: '1', DONT_FAKE_MONOTONIC: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1' };
  }

  remove() {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function readdirSyncOrNone(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

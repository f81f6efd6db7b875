// Processes that end with this one: also when the run of the tests is ended by a signal.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';

const living = new Set();

process.on('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});
for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(128 + constants.signals[signal]));

export function spawnChild(...how) {
  const child = spawn(...how);
  living.add(child);
  child.on('close', () => living.delete(child));
  return child;
}

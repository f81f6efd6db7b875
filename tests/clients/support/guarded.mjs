// Other people's servers, which end with this process, however it ends: a shell beside each waits for the end of its
// input, which the kernel closes.
import { spawn, execFileSync } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const SCRIPT = `
exec 3<&0
signal=$1 folder=$2 log=$3
shift 3
"$@" </dev/null >>"$log" 2>&1 &
server=$!
echo $server
if read -r keep <&3; then wait $server; exit 0; fi
kill -s "$signal" $server 2>/dev/null
wait $server
rm -rf "$folder"`;

export const isRoot = process.getuid() === 0;

/** The first of these programs that is installed, by name or by path. */
export function program(names, mend) {
  for (const name of names) {
    const places = name.includes('/') ? [name] : process.env.PATH.split(':').concat('/usr/sbin').map((folder) => path.join(folder, name));
    const found = places.find(existsSync);
    if (found) return found;
  }
  throw new Error(`none of ${names.join(', ')} is installed: ${mend}`);
}

/** A folder that belongs to this user. */
export function newFolder(name, user) {
  const folder = mkdtempSync(path.join(tmpdir(), `doorbell-${name}-`));
  if (user && isRoot) {
    const { uid, gid } = userIds(user);
    chownSync(folder, uid, gid);
  }
  return folder;
}

function userIds(user) {
  const row = readFileSync('/etc/passwd', 'utf8').split('\n').map((line) => line.split(':')).find(([name]) => name === user);
  if (!row) throw new Error(`there is no user ${user}: install Debian's package postgresql, then try again`);
  return { uid: Number(row[2]), gid: Number(row[3]) };
}

/** The command as this user; `root` becomes somebody else, everybody else stays who they are. */
export function asUser(user, command) {
  if (!user || !isRoot) return command;
  return ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups', '--', ...command];
}

export function runAs(user, command, options = {}) {
  const [name, ...args] = asUser(user, command);
  return execFileSync(name, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: '/', ...options });
}

export class Guarded {
  /** @param {{ folder: string, log: string, signal?: string, user?: string, env?: object }} how `signal` ends it. */
  static async start(command, { folder, log, signal = 'TERM', user, env = {} }) {
    const guarded = new Guarded();
    const [name, ...args] = asUser(user, ['sh', '-c', SCRIPT, 'guard', signal, folder, log, ...command]);
    // In a session of its own: what interrupts the tests must not end the guard before its work.
    const guard = spawn(name, args, { cwd: '/', detached: true, stdio: ['pipe', 'pipe', 'ignore'], env: { PATH: process.env.PATH, ...env } });
    guarded.guard = guard;
    guarded.signal = signal;
    guarded.folder = folder;
    guarded.ended = new Promise((resolve) => guard.on('close', resolve));
    guard.stdin.on('error', () => {});
    guarded.pid = await new Promise((resolve, reject) => {
      guard.on('error', reject);
      guard.on('close', () => reject(new Error(`${command[0]} did not start`)));
      guard.stdout.once('data', (line) => resolve(Number(line)));
    });
    // Nothing waits for it: the tests may end before it does.
    guard.unref();
    guard.stdin.unref();
    guard.stdout.unref();
    return guarded;
  }

  /** It, and what it has started. */
  family() {
    const parents = new Map();
    for (const entry of readdirSync('/proc')) {
      if (!/^\d+$/.test(entry)) continue;
      try {
        const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
        parents.set(Number(entry), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
      } catch {
        // it has ended meanwhile
      }
    }
    const found = [this.pid];
    for (const parent of found) for (const [pid, of] of parents) if (of === parent) found.push(pid);
    return found;
  }

  signalAll(signal) {
    for (const pid of this.family()) {
      try {
        process.kill(pid, signal);
      } catch (error) {
        if (error.code !== 'ESRCH') throw error;
      }
    }
  }

  /** Ends it by a signal, and keeps its folder. */
  async end(signal = `SIG${this.signal}`) {
    this.guard.ref();
    this.guard.stdin.write('keep\n');
    process.kill(this.pid, signal);
    await this.ended;
  }

  /** Ends it, and removes its folder. */
  async remove() {
    this.guard.ref();
    this.guard.stdin.end();
    await this.ended;
    rmSync(this.folder, { recursive: true, force: true });
  }
}


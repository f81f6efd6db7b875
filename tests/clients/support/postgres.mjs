// PostgreSQL servers of the tests' own: one for a whole run, with a database for each Doorbell, and others for those
// that are hard on theirs.
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { freePort } from './ports.mjs';
import { Guarded, newFolder, program, runAs } from './guarded.mjs';

const execute = promisify(execFile);
// PostgreSQL refuses to run as root; then it runs as the user that its package makes.
const USER = 'postgres';
/** Who Doorbell signs in as: nobody special. */
const ROLE = 'doorbell';
const MEND = "install Debian's package postgresql, then try again";
const TEMPLATE = 'DOORBELL_TEST_POSTGRES_TEMPLATE';
const SHARED = 'DOORBELL_TEST_POSTGRES_PORT';

/** The program of the newest PostgreSQL that is installed. */
function binary(name) {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : [];
  return program([...versions.map((version) => path.join(root, version, 'bin', name)), name], MEND);
}

/** The files of an empty server, made once and copied: initdb takes seconds. */
function template() {
  if (process.env[TEMPLATE]) return process.env[TEMPLATE];
  const folder = newFolder('postgres-template', USER);
  runAs(USER, [binary('initdb'), '--auth=trust', '--username=postgres', '--encoding=UTF8', '--no-locale', '--no-sync', '-D', path.join(folder, 'data')]);
  process.env[TEMPLATE] = folder;
  process.on('exit', () => runAs(USER, ['rm', '-rf', folder]));
  return folder;
}

let databases = 0;

export class Postgres {
  /** `settings`: as in postgresql.conf. `env`: of the server's processes. */
  static async start({ settings = {}, env = {} } = {}) {
    const server = new Postgres();
    server.folder = newFolder('postgres', USER);
    runAs(USER, ['cp', '-a', '--reflink=auto', path.join(template(), 'data'), server.folder]);
    server.port = await freePort();
    server.settings = {
      listen_addresses: '127.0.0.1', unix_socket_directories: '', port: server.port, fsync: 'on', max_connections: 300,
      shared_buffers: '32MB', max_wal_size: '256MB', log_min_messages: 'warning', ...settings,
    };
    server.env = env;
    await server.launch();
    await server.sql('postgres', `CREATE ROLE ${ROLE} LOGIN`);
    return server;
  }

  /** The server of this run, which whoever started the run has started; else one of this process alone. */
  static shared() {
    Postgres.ofThisProcess ??= process.env[SHARED]
      ? Promise.resolve(Object.assign(new Postgres(), { port: Number(process.env[SHARED]) }))
      : Postgres.start();
    return Postgres.ofThisProcess;
  }

  /** Makes this the server that `shared` gives in the processes that get this environment. */
  asShared() {
    return { [SHARED]: String(this.port), [TEMPLATE]: template() };
  }

  /** After `end`, on the same files and port. */
  async launch() {
    const options = Object.entries(this.settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    this.process = await Guarded.start([binary('postgres'), '-D', path.join(this.folder, 'data'), ...options], {
      folder: this.folder, log: path.join(this.folder, 'log'), signal: 'QUIT', user: USER, env: this.env,
    });
    const end = Date.now() + 30_000;
    for (;;) {
      const answer = await execute(binary('pg_isready'), ['-q', '-h', '127.0.0.1', '-p', String(this.port)]).catch(() => null);
      if (answer) return;
      if (Date.now() > end) throw new Error(`PostgreSQL did not start: ${runAs(USER, ['tail', '-5', path.join(this.folder, 'log')])}`);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  /** As `pg_ctl stop -m immediate` does: nothing is finished, the log is replayed at the next start. */
  end() {
    return this.process.end('SIGQUIT');
  }

  /** Every process of it stops where it is. */
  freeze() {
    // The first one last: it would start no others, and nobody is missed.
    this.process.signalAll('SIGSTOP');
  }

  thaw() {
    this.process.signalAll('SIGCONT');
  }

  remove() {
    return this.process.remove();
  }

  /** Runs statements as the superuser, and gives what they print: a line for each row, columns separated by `|`. */
  async sql(database, statements) {
    const { stdout } = await execute(binary('psql'), ['-h', '127.0.0.1', '-p', String(this.port), '-U', 'postgres', '-d', database, '-XqAt', '-v', 'ON_ERROR_STOP=1', '-c', statements]);
    return stdout.trim();
  }

  /** A new, empty database that belongs to an ordinary role, in `tablespace` where a test has set that. */
  async newDatabase() {
    const name = `t${process.pid}_${(databases += 1)}_${Math.random().toString(36).slice(2, 8)}`;
    await this.sql('postgres', `CREATE DATABASE ${name} OWNER ${ROLE}${this.tablespace ? ` TABLESPACE ${this.tablespace}` : ''}`);
    return { name, url: this.urlOf(name) };
  }

  /** `port`: of a proxy before it. */
  urlOf(database, port = this.port) {
    return `postgres://${ROLE}@127.0.0.1:${port}/${database}`;
  }

  drop(database) {
    return this.sql('postgres', `DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
  }
}

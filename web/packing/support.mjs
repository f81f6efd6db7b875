// Packs the packages once for a file of tests, and makes projects that install them.
import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const exec = promisify(execFile);
export const web = fileURLToPath(new URL('..', import.meta.url));

/** A folder that goes when the tests end, after what runs in it. */
export async function folder(name) {
  const made = await mkdtemp(path.join(tmpdir(), `doorbell-${name}-`));
  process.on('exit', () => rmSync(made, { recursive: true, force: true, maxRetries: 5 }));
  return made;
}

/** Runs a program to its end; what it has said is in the error when it fails. */
export async function run(program, given, options = {}) {
  try {
    return (await exec(program, given, { maxBuffer: 16e6, ...options })).stdout;
  } catch (error) {
    throw new Error(`${program} ${given.join(' ')}\n${error.stdout ?? ''}\n${error.stderr ?? ''}`, { cause: error });
  }
}

/** The packed packages, by name, as `npm publish` would send them. */
export async function pack() {
  const into = await folder('packed');
  await run('npm', ['pack', '--workspace', 'client', '--workspace', 'react', '--pack-destination', into, '--silent'], { cwd: web });
  const files = await readdir(into);
  const find = (name) => path.join(into, files.find((file) => file.startsWith(`doorbell-${name}-`)));
  return { client: find('client'), react: find('react') };
}

/** Writes files, by their path in the project. */
export async function project(root, files) {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(root, name)), { recursive: true });
    await writeFile(path.join(root, name), typeof content === 'string' ? content : JSON.stringify(content, null, 2));
  }
}

export const install = (root, ...packages) => run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', '--silent', ...packages], { cwd: root });

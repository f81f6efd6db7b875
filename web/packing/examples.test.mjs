// The examples run, as their READMEs say.
import { spawn } from 'node:child_process';
import { cp } from 'node:fs/promises';
import path from 'node:path';
import { after } from 'node:test';
import { Doorbell, eventually, freePort, JWT_SECRET, mint, test } from '../../tests/clients/support/doorbell.mjs';
import { newBrowser } from '../e2e/support/browser.mjs';
import { bubble, field, say, statusOf } from '../e2e/support/stage.mjs';
import { folder, install, run, web } from './support.mjs';

const examples = path.join(web, '../examples');
const [plainPort, vuePort] = [await freePort(), await freePort()];
// Of the two names of this machine, the one that the pages of the tests have.
const [plainOrigin, vueOrigin] = [`http://127.0.0.1:${plainPort}`, `http://127.0.0.1:${vuePort}`];
const server = await Doorbell.forFile({ env: { FRONTEND_URL: `${plainOrigin},${vueOrigin}` } });

async function serve(cwd, given, env, origin) {
  const child = spawn(process.execPath, given, { cwd, env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let logs = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (logs += chunk));
  const ended = new Promise((resolve) => child.on('close', resolve));
  after(async () => {
    child.kill();
    await ended;
  });
  await eventually('the site answers', async () => (await fetch(origin)).ok, 20_000).catch((error) => {
    throw new Error(`the example did not come up\n${logs}`, { cause: error });
  });
}

test('in plain HTML a renter writes, and the owner answers', async (t) => {
  await serve(path.join(examples, 'plain-html'), ['server.mjs'], { PORT: String(plainPort), DOORBELL_URL: server.url, DOORBELL_JWT_SECRET: JWT_SECRET }, plainOrigin);
  const open = async (who) => {
    const page = await (await newBrowser(t)).newPage();
    await page.goto(`${plainOrigin}/?as=${who}`);
    return page;
  };
  const [ann, olga] = [await open('ann'), await open('olga')];
  await ann.getByRole('button', { name: 'Contact owner' }).click();
  await say(ann, 'Is it still free?');
  await statusOf(ann, 'Is it still free?', 'Sent').waitFor({ state: 'attached' });
  await olga.getByRole('button', { name: 'Messages' }).click();
  await olga.getByText('Is it still free?').first().click();
  await say(olga, 'It is.');
  await bubble(ann, 'It is.').waitFor();
});

test('in Vue a visitor writes to the owner', { timeout: 240_000 }, async (t) => {
  const root = await folder('vue');
  await cp(path.join(examples, 'vue'), root, { recursive: true, filter: (file) => !file.includes('node_modules') });
  await install(root);
  await run('npm', ['run', 'build'], { cwd: root, env: { ...process.env, VITE_DOORBELL_URL: server.url } });
  await serve(root, ['node_modules/vite/bin/vite.js', 'preview', '--host', '127.0.0.1', '--port', String(vuePort), '--strictPort'], {}, vueOrigin);
  const page = await (await newBrowser(t)).newPage();
  await page.goto(`${vueOrigin}/?token=${mint('vera', { name: 'Vera' })}`);
  await page.getByRole('button', { name: 'Contact owner' }).click();
  await field(page).waitFor();
  await say(page, 'From Vue');
  await statusOf(page, 'From Vue', 'Sent').waitFor({ state: 'attached' });
});

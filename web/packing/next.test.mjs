// A new site on Next.js with NextAuth: the packed packages, one component, one variable, and a chat that works.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cp, readFile } from 'node:fs/promises';
import path from 'node:path';
import { after } from 'node:test';
import { Doorbell, eventually, freePort, test, unique } from '../../tests/clients/support/doorbell.mjs';
import { Browser } from '../../tests/clients/support/sites.mjs';
import { newBrowser } from '../e2e/support/browser.mjs';
import { bubble, field, say, statusOf } from '../e2e/support/stage.mjs';
import { folder, install, pack, project, run, web } from './support.mjs';

const NEXTAUTH_SECRET = 'the secret of the site, as long as it should be';
const plain = path.join(web, '../tests/next-auth-site');

/** The one component. */
const COMPONENT = `'use client';
import { createClient } from '@doorbell/client';
import { ContactOwner, DoorbellProvider } from '@doorbell/react';
import '@doorbell/react/styles.css';
import { useEffect, useState } from 'react';

export function Contact({ listingId, ownerId }) {
  const [client, setClient] = useState(null);
  useEffect(() => {
    const made = createClient({ url: process.env.NEXT_PUBLIC_DOORBELL_URL });
    setClient(made);
    return () => void made.close();
  }, []);
  return client && <DoorbellProvider client={client}><ContactOwner listingId={listingId} ownerId={ownerId} /></DoorbellProvider>;
}
`;
const PAGE = `import { getServerSession } from 'next-auth';
import { Contact } from './contact';
import { signIn } from '../sign-in';

export default async function Page() {
  const session = await getServerSession(signIn);
  return <main><h1>Flat by the water</h1>{session ? <Contact listingId="flat" ownerId="owner" /> : <p>Nobody is signed in</p>}</main>;
}
`;

const WITH_WIDGET = `import { Contact } from './contact';

export default function Page() {
  return <Contact listingId="loft" ownerId="owner" title="Loft by the water" />;
}
`;

/** The site of the other tests, without anything of Doorbell, and then what is new. */
async function make(root, doorbellUrl) {
  for (const part of ['app', 'sign-in.js', 'package.json']) await cp(path.join(plain, part), path.join(root, part), { recursive: true });
  // Next.js has 350 MB. Links are enough, where both folders are on one disk.
  await run('cp', ['-al', path.join(plain, 'node_modules'), root]).catch(() => run('cp', ['-a', path.join(plain, 'node_modules'), root]));
  const packed = await pack();
  await install(root, '--no-save', packed.client, packed.react);
  await project(root, { 'app/contact.jsx': COMPONENT, 'app/page.jsx': PAGE, '.env.local': `NEXT_PUBLIC_DOORBELL_URL=${doorbellUrl}\n` });
  // The example's component, which needs no package.
  await project(root, { 'app/widget/page.jsx': WITH_WIDGET });
  await cp(path.join(web, '../examples/next-auth/app/contact.jsx'), path.join(root, 'app/widget/contact.jsx'));
  assert.equal(JSON.parse(await readFile(path.join(root, 'node_modules/@doorbell/react/package.json'), 'utf8')).name, '@doorbell/react');
}

async function start(root, port) {
  const origin = `http://127.0.0.1:${port}`;
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, NEXTAUTH_SECRET, NEXTAUTH_URL: origin, NEXT_TELEMETRY_DISABLED: '1' };
  // A group of its own, since it starts further processes.
  const child = spawn(process.execPath, ['node_modules/next/dist/bin/next', 'dev', '-H', '127.0.0.1', '-p', String(port)], { cwd: root, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let logs = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (logs += chunk));
  const ended = new Promise((resolve) => child.on('close', resolve));
  const kill = () => child.exitCode ?? child.signalCode ?? process.kill(-child.pid, 'SIGKILL');
  process.on('exit', kill);
  after(async () => {
    kill();
    await ended;
  });
  await eventually('Next.js answers', async () => (await fetch(`${origin}/api/auth/csrf`)).ok, 120_000).catch((error) => {
    throw new Error(`the site did not come up\n${logs.slice(-3000)}`, { cause: error });
  });
  return { origin, logs: () => logs };
}

const root = await folder('next');
const port = await freePort();
const server = await Doorbell.forFile({ env: { NEXTAUTH_SECRET, FRONTEND_URL: `http://127.0.0.1:${port}` } });

test('a new site on Next.js with NextAuth has a chat by one component and one variable', { timeout: 240_000 }, async (t) => {
  await make(root, server.url);
  const site = await start(root, port);

  const visitor = new Browser();
  const name = unique('ann');
  await visitor.signInByPassword(site, name);
  // The site has no icon.
  const browser = await newBrowser(t, { allowed: [/preload/, /status of 404/] });
  browser.setDefaultTimeout(60_000);
  await browser.addCookies(visitor.cookie.split('; ').map((pair) => ({ name: pair.slice(0, pair.indexOf('=')), value: pair.slice(pair.indexOf('=') + 1), url: site.origin })));
  const page = await browser.newPage();
  await page.goto(site.origin);
  await page.getByRole('button', { name: 'Contact owner' }).click();
  await field(page).waitFor();
  await say(page, 'From a new site');
  await statusOf(page, 'From a new site', 'Sent').waitFor({ state: 'attached' });

  // The other side: the owner, by REST.
  const { body } = await server.api((await server.host.post('/api/auth/socket-token', { userId: 'owner' })).body).get('/api/conversations');
  assert.deepEqual(body.conversations.map(({ lastMessage, renter }) => [lastMessage, renter.id, renter.name]), [['From a new site', name, `Name of ${name}`]]);
  await server.say((await server.host.post('/api/auth/socket-token', { userId: 'owner' })).body, body.conversations[0].id, 'Welcome!');
  await bubble(page, 'Welcome!').waitFor();

  await page.goto(`${site.origin}/widget`);
  await page.locator('doorbell-widget').waitFor({ state: 'attached' });
  await page.getByRole('button', { name: 'Contact owner' }).click();
  await page.getByText('Loft by the water').first().waitFor();
  await say(page, 'By the widget');
  await statusOf(page, 'By the widget', 'Sent').waitFor({ state: 'attached' });
});

// Somebody signs in at a site on Next.js with NextAuth, and what they write arrives.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { decode, Doorbell, eventually, freePort, good, has, refusal, Rest, test, unique } from '../clients/support/doorbell.mjs';
import { Browser } from '../clients/support/sites.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const NEXTAUTH_SECRET = 'the secret of the site, as long as it should be';

/** The site as a developer runs it. */
async function startSite() {
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, NEXTAUTH_SECRET, NEXTAUTH_URL: origin, NEXT_TELEMETRY_DISABLED: '1' };
  // A group of its own, since it starts further processes.
  const child = spawn(process.execPath, ['node_modules/next/dist/bin/next', 'dev', '-p', String(port)], { cwd: here, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let logs = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (logs += chunk));
  const ended = new Promise((resolve) => child.on('close', resolve));
  const stop = async () => {
    process.kill(-child.pid, 'SIGKILL');
    await ended;
  };
  process.on('exit', () => child.exitCode ?? child.signalCode ?? process.kill(-child.pid, 'SIGKILL'));
  try {
    await eventually('Next.js answers', async () => (await fetch(`${origin}/api/auth/csrf`)).ok, 120_000);
  } catch (error) {
    await stop();
    throw new Error(`the site did not come up\n${logs.slice(-3000)}`, { cause: error });
  }
  return { origin, stop };
}

const site = await startSite();
after(() => site.stop());
const server = await Doorbell.forFile({ env: { NEXTAUTH_SECRET, FRONTEND_URL: site.origin } });

/** Signs in at the site, and gets a token for the session from the site's page. */
async function visitor(name) {
  const browser = new Browser();
  assert.match(await (await browser.fetch(site.origin)).text(), /Nobody is signed in/);
  await browser.signInByPassword(site, name);
  assert.match(await (await browser.fetch(site.origin)).text(), new RegExp(`Signed in as (<!-- -->)?${name}@example.com`));
  const answer = await new Rest(() => server.next(), { cookie: browser.cookie, origin: site.origin }).post('/api/auth/socket-token', {});
  const { token } = good(answer);
  assert.equal(decode(token).sub, name);
  return { id: name, token, browser, socket: await server.socket(token, { path: '/api/socketio' }) };
}

test('two people sign in at the site, and a message of the one arrives at the other', async () => {
  const [ann, ben] = [await visitor(unique('ann')), await visitor(unique('ben'))];
  has((await ann.socket.once('connection:success')).user, { id: ann.id, name: `Name of ${ann.id}`, email: `${ann.id}@example.com` });
  const conversation = await server.direct(ann, ben);
  await ben.socket.ok('conversation:join', conversation.id);
  await ann.socket.ok('message:send', { conversationId: conversation.id, content: 'Is it still free?' });
  has(await ben.socket.once('message:received'), { senderId: ann.id, content: 'Is it still free?' });
});

test('who has not signed in at the site, or comes from another page, gets nothing', async () => {
  const browser = new Browser();
  await browser.csrf(site);
  const call = (cookie, origin) => new Rest(() => server.next(), { cookie, origin }).post('/api/auth/socket-token', {});
  refusal(await call(browser.cookie, site.origin), 401, 'UNAUTHENTICATED');
  const wrong = await browser.fetch(`${site.origin}/api/auth/callback/credentials`, { form: { csrfToken: await browser.csrf(site), username: 'ann', password: 'a guess' } });
  assert.match(wrong.headers.get('location'), /error=CredentialsSignin/);
  refusal(await call(browser.cookie, site.origin), 401, 'UNAUTHENTICATED');
  const ann = await visitor(unique('ann'));
  refusal(await call(ann.browser.cookie, 'https://evil.example'), 403, 'FORBIDDEN');
});

// Whole ways: somebody signs in at a site with the real NextAuth 4 or Auth.js 5, and chats here.
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { decode, Doorbell, eventually, good, has, refusal, Rest, test, unique } from './support/doorbell.mjs';
import { AuthJsSite, Browser, DatabaseSite, NextAuthSite } from './support/sites.mjs';

const SECRET = 'the secret of the site, as long as it should be';

/** The page asks for a token with its visitor's cookies, and connects with it, as a front end does. */
async function chatsAs(server, site, browser) {
  const answer = await browser.fetch(`${server.next()}/api/auth/socket-token`, { form: {}, headers: { origin: site.origin } });
  const { token } = await answer.json();
  assert.equal(answer.status, 200, `a token for the session: ${answer.status}`);
  return { id: decode(token).sub, token, socket: await server.socket(token, { path: '/api/socketio' }) };
}

const askFor = (server, site, cookie) => new Rest(() => server.next(), { cookie, origin: site.origin }).post('/api/auth/socket-token', {});

async function messageArrives(server, ann, ben) {
  const conversation = await server.direct(ann, ben);
  await ben.socket.ok('conversation:join', conversation.id);
  const content = `hello from ${ann.id}`;
  await ann.socket.ok('message:send', { conversationId: conversation.id, content });
  const message = await ben.socket.once('message:received', (received) => received.content === content);
  has(message, { senderId: ann.id, content });
}

for (const [Kind, claims] of [
  [NextAuthSite, {}],
  [NextAuthSite, { permissions: 'x'.repeat(4500) }],
  [AuthJsSite, {}],
  [AuthJsSite, { permissions: 'x'.repeat(4500) }],
]) {
  const how = claims.permissions ? ', whose session takes several cookies' : '';
  test(`two people sign in at a site with ${Kind === NextAuthSite ? 'NextAuth 4' : 'Auth.js 5'}${how}, and write to each other`, async (t) => {
    const site = await Kind.start({ secret: SECRET, claims });
    t.after(() => site.stop());
    const server = await Doorbell.start({ env: { AUTH_SECRET: SECRET, FRONTEND_URL: site.origin } });
    t.after(() => server.stop());
    const people = [];
    for (const name of [unique('ann'), unique('ben')]) {
      const browser = new Browser();
      await browser.signInByPassword(site, name);
      assert.equal(browser.session.split('; ').length, claims.permissions ? 2 : 1, browser.session.slice(0, 100));
      people.push(await chatsAs(server, site, browser));
    }
    const [ann, ben] = people;
    // Auth.js gives whoever signs in by password the id that `authorize` says, as NextAuth does.
    assert.match(ann.id, /^ann/);
    const { user } = await ann.socket.once('connection:success');
    has(user, { id: ann.id, name: `Name of ${ann.id}`, email: `${ann.id}@example.com`, image: `https://img.example/${ann.id}.png` });
    await messageArrives(server, ann, ben);
    assert.equal(site.asked.session, 0, 'with the secret, the site is not asked');
  });
}

const site = await DatabaseSite.start({ secret: SECRET });
after(() => site.stop());
const server = await Doorbell.forFile({ env: { DOORBELL_SESSION_URL: site.origin, FRONTEND_URL: site.origin } });
const signedIn = async (name) => {
  const browser = new Browser();
  await browser.signInByMail(site, `${unique(name)}@example.com`);
  assert.match(browser.session, /^authjs\.session-token=[0-9a-f-]{36}$/);
  return browser;
};

test('two people whose sessions are in the database of a site write to each other', async () => {
  const browsers = [await signedIn('ann'), await signedIn('ben')];
  const people = [];
  for (const browser of browsers) people.push(await chatsAs(server, site, browser));
  const [ann, ben] = people;
  const { user } = await ann.socket.once('connection:success');
  has(user, { id: ann.id, name: `Name of ${user.email}` });
  assert.ok(site.users.has(ann.id) && site.users.has(ben.id));
  await messageArrives(server, ann, ben);
});

test('the site is asked once for what one visitor does, and not for what nobody signed in does', async () => {
  const browser = await signedIn('ann');
  const cookie = browser.session;
  site.asked.session = 0;
  await Promise.all(Array.from({ length: 40 }, async () => good(await askFor(server, site, cookie))));
  assert.equal(site.asked.session, server.nodes.length, 'once for each node');
  site.asked.session = 0;
  const stranger = `authjs.session-token=${crypto.randomUUID()}`;
  await Promise.all(Array.from({ length: 40 }, async () => refusal(await askFor(server, site, stranger), 401, 'UNAUTHENTICATED')));
  assert.equal(site.asked.session, server.nodes.length, 'a flood of one bad cookie is one question for each node');
});

test('who has signed out at the site gets no token', async () => {
  good(await askFor(server, site, (await signedIn('ben')).session));
  const browser = await signedIn('ann');
  const cookie = browser.session;
  // Not asked for before, so nothing of it is known here.
  await browser.signOut(site);
  assert.equal(browser.session, '');
  refusal(await askFor(server, site, cookie), 401, 'UNAUTHENTICATED');
  refusal(await askFor(server, site, 'authjs.session-token=rubbish'), 401, 'UNAUTHENTICATED');
});

test('while the site gives no clear answer its visitors are told to wait, and then come in', async (t) => {
  t.after(() => (site.trouble = null));
  const troubles = {
    'an error': (response) => response.writeHead(500).end('{}'),
    'a redirection': (response) => response.writeHead(302, { location: '/somewhere' }).end(),
    'a page': (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
    'an endless answer': (response) => response.writeHead(200).end(`{"user":{"id":"ann"},"expires":"2099-01-01T00:00:00.000Z","x":"${'x'.repeat(100_000)}"}`),
    'a closed connection': (response) => response.destroy(),
  };
  let browser;
  for (const trouble of Object.values(troubles)) {
    site.trouble = null;
    browser = await signedIn('ann');
    site.trouble = trouble;
    refusal(await askFor(server, site, browser.session), 503, 'UNAVAILABLE');
  }
  site.trouble = null;
  // Its refusals are kept for 5 seconds.
  await eventually('the last of them comes in', async () => (await askFor(server, site, browser.session)).status === 200, 15_000);
  assert.match(server.logs, /the site does not say who is signed in/);
  assert.ok(!server.logs.includes(browser.session.split('=')[1]), 'no session is logged');
});

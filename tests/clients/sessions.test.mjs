// A site's own sign-in, by NextAuth 4 or Auth.js 5, is who somebody is here. All sessions are made by the real packages, but
// for those that no package would make.
import assert from 'node:assert/strict';
import { deflateRawSync } from 'node:zlib';
import { decode as decodeAuthJs } from '@auth/core/jwt';
import nextAuthJwt from 'next-auth/jwt';
import { decode, Doorbell, good, has, now, refusal, Rest, test, unique } from './support/doorbell.mjs';
import { asCookies, cookieName, RECIPES, seal, session } from './support/session-cookies.mjs';

const SECRET = 'the secret of the site, with a comma: 0123456789';
const NEW_SECRET = 'the secret that is to follow it: 0123456789abc';
const ORIGIN = 'https://market.example';
const PRODUCTS = ['next-auth', 'authjs'];

const server = await Doorbell.forFile({ env: { NEXTAUTH_SECRET: SECRET, AUTH_SECRET_1: NEW_SECRET, FRONTEND_URL: ORIGIN } });

const someone = (claims = {}) => {
  const id = unique('ann');
  return { name: `Name of ${id}`, email: `${id}@example.com`, picture: `https://img.example/${id}.png`, sub: id, ...claims };
};
/** Somebody whose browser sends this, from the site's page. */
const visitor = (cookie) => new Rest(() => server.next(), { cookie, origin: ORIGIN });
const bearer = (token) => new Rest(() => server.next(), { authorization: `Bearer ${token}` });
const me = async (token) => (await (await server.socket(token, { path: '/api/socketio' })).once('connection:success')).user;

for (const product of PRODUCTS) {
  for (const isHttps of [true, false]) {
    for (const secret of [SECRET, NEW_SECRET]) {
      for (const isLong of [false, true]) {
        const name = cookieName(product, isHttps);
        const which = secret === SECRET ? 'NEXTAUTH_SECRET' : 'AUTH_SECRET_1';
        test(`a session of ${name}, ${isLong ? 'in pieces' : 'whole'}, by ${which}: as a cookie, as a bearer and for a socket`, async () => {
          const claims = someone(isLong ? { roles: 'x'.repeat(5000) } : {});
          const value = await session(product, { claims, secret, name });
          const cookie = asCookies(product, name, value);
          assert.equal(cookie.split('; ').length, isLong ? 2 : 1, 'as the package cuts it');

          good(await visitor(`theme=dark; ${cookie}`).get('/api/conversations'));
          const { token, expiresAt } = good(await visitor(cookie).post('/api/auth/socket-token', {}));
          has(decode(token), { sub: claims.sub, name: claims.name, email: claims.email, picture: claims.picture });
          assert.ok(Math.abs(Date.parse(expiresAt) / 1000 - now() - 3600) < 60, 'a token ends with its session');
          const person = { id: claims.sub, name: claims.name, email: claims.email, image: claims.picture };
          has(await me(token), person);

          has(await me(value), person);
          good(await bearer(value).get('/api/conversations'));
          good(await bearer(encodeURIComponent(value).replaceAll('.', '%2E')).get('/api/conversations'));
          refusal(await bearer(value).post('/api/auth/socket-token', {}), 403, 'FORBIDDEN');
        });
      }
    }
  }
}

test('a token for a session of thirty days lives a day', async () => {
  const name = cookieName('authjs', true);
  const value = await session('authjs', { claims: someone(), secret: SECRET, name, maxAge: 30 * 86_400 });
  const { token } = good(await visitor(`${name}=${value}`).post('/api/auth/socket-token', {}));
  const left = decode(token).exp - now();
  assert.ok(Math.abs(left - 86_400) < 60, `it lives 24 hours, not ${left} s`);
});

test('a page elsewhere can do nothing with the session, though the browser sends it along', async () => {
  const name = cookieName('next-auth', false);
  const cookie = `${name}=${await session('next-auth', { claims: someone(), secret: SECRET, name })}`;
  for (const headers of [{ origin: 'https://evil.example' }, { origin: 'null' }, { origin: undefined }, { origin: undefined, referer: 'https://evil.example/x' }]) {
    refusal(await visitor(cookie).post('/api/auth/socket-token', {}, headers), 403, 'FORBIDDEN');
  }
  good(await visitor(cookie).post('/api/auth/socket-token', {}, { origin: undefined, referer: `${ORIGIN}/messages` }));
});

test('a page elsewhere marks nothing as read, and the site\'s own page does', async () => {
  const name = cookieName('next-auth', false);
  const claims = someone();
  const cookie = `${name}=${await session('next-auth', { claims, secret: SECRET, name })}`;
  const ben = await server.person('ben');
  const own = { origin: undefined, 'sec-fetch-site': 'same-origin' };
  const asPage = visitor(cookie);
  good(await asPage.get('/api/conversations'));
  const { id } = await server.direct(ben, { id: claims.sub });
  const path = `/api/messages?conversationId=${id}&markRead=true`;
  const unread = async () => good(await asPage.get('/api/conversations')).conversations[0].unreadCount;
  await server.say(ben, id, 'one');
  for (const headers of [{ origin: 'https://evil.example' }, { origin: 'null' }, { origin: undefined }, { origin: undefined, referer: 'https://evil.example/x', 'sec-fetch-site': 'cross-site' }, { origin: undefined, 'sec-fetch-site': 'none' }]) {
    for (const history of [path, `/chat/${id}/messages`]) {
      const { body } = await asPage.get(history, headers);
      assert.equal((body.messages ?? body).length, 1, 'it is answered all the same');
      assert.equal(await unread(), 1, `${history}: ${JSON.stringify(headers)}`);
    }
  }
  for (const headers of [{ origin: ORIGIN }, { origin: undefined, referer: `${ORIGIN}/messages` }, own]) {
    for (const history of [path, `/chat/${id}/messages`]) {
      good(await asPage.get(history, headers));
      assert.equal(await unread(), 0, `${history}: ${JSON.stringify(headers)}`);
      await server.say(ben, id, 'another');
      assert.equal(await unread(), 1);
    }
  }
});

test('a key, a token and a session of Doorbell decide before a session of the site', async () => {
  const name = cookieName('authjs', false);
  const claims = someone();
  const cookie = `${name}=${await session('authjs', { claims, secret: SECRET, name })}`;
  good(await visitor(cookie).get('/api/conversations'));
  refusal(await visitor(cookie).get('/api/conversations', { 'x-api-key': 'wrong' }), 401, 'UNAUTHENTICATED');
  refusal(await visitor(cookie).get('/api/conversations', { authorization: 'Bearer rubbish' }), 401, 'UNAUTHENTICATED');
  refusal(await visitor(`doorbell_session=rubbish; ${cookie}`).get('/api/conversations'), 401, 'UNAUTHENTICATED');
});

test('a forged session is nobody, however it comes', async () => {
  const claims = someone();
  const full = { iat: now(), exp: now() + 3600, ...claims };
  const [plain, secured] = [cookieName('authjs', false), cookieName('authjs', true)];
  const recipes = { 'next-auth.session-token': RECIPES['next-auth'], [plain]: RECIPES.authjs(plain) };
  for (const [name, recipe] of Object.entries(recipes)) {
    const made = seal(recipe, { secret: SECRET, claims });
    good(await visitor(`${name}=${made}`).get('/api/conversations'));
    const [header, , iv, ciphertext, tag] = made.split('.');
    const other = recipe.enc === 'A256GCM' ? 'A256CBC-HS512' : 'A256GCM';
    const forged = {
      'another secret': seal(recipe, { secret: 'a secret of somebody else', claims }),
      'another salt': seal({ ...recipe, salt: 'x' }, { secret: SECRET, claims }),
      'the key of another cookie': seal(RECIPES.authjs('authjs.state'), { secret: SECRET, claims }),
      'compressed contents': seal(recipe, { secret: SECRET, header: { zip: 'DEF' }, contents: deflateRawSync(JSON.stringify(full)) }),
      'an extension': seal(recipe, { secret: SECRET, header: { crit: ['exp'], exp: now() + 60 }, claims }),
      'another alg': seal(recipe, { secret: SECRET, header: { alg: 'A256KW' }, claims }),
      'no alg': seal(recipe, { secret: SECRET, header: { alg: 'none' }, claims }),
      'the other enc': seal(recipe, { secret: SECRET, header: { enc: other }, claims }),
      'a weak enc': seal(recipe, { secret: SECRET, header: { enc: 'A128CBC-HS256' }, claims }),
      'a foreign kid': seal(recipe, { secret: SECRET, header: { kid: '../../etc/passwd' }, claims }),
      'a doubled alg': seal(recipe, { secret: SECRET, header: `{"alg":"none","alg":"dir","enc":"${recipe.enc}"}`, claims }),
      'no exp': seal(recipe, { secret: SECRET, contents: JSON.stringify(claims) }),
      'an end that is over': seal(recipe, { secret: SECRET, claims: { ...claims, exp: now() - 60 } }),
      'an exp that is a text': seal(recipe, { secret: SECRET, claims: { ...claims, exp: '2099-01-01' } }),
      'no user': seal(recipe, { secret: SECRET, claims: { name: 'Ann' } }),
      'two users': seal(recipe, { secret: SECRET, contents: `{"sub":"a","sub":"b","exp":${now() + 60}}` }),
      'a user of a form that ids do not have': seal(recipe, { secret: SECRET, claims: { sub: 'a b' } }),
      'contents that are no object': seal(recipe, { secret: SECRET, contents: '[]' }),
      'a shorter tag': [header, '', iv, ciphertext, tag.slice(0, -4)].join('.'),
      'no tag': [header, '', iv, ciphertext, ''].join('.'),
      'an encrypted key': [header, 'AAAA', iv, ciphertext, tag].join('.'),
      'another ciphertext': [header, '', iv, `A${ciphertext}`, tag].join('.'),
      'five dots': '....',
      'a token of four parts': 'a..b.c',
    };
    for (const [what, value] of Object.entries(forged)) {
      refusal(await visitor(`${name}=${value}`).get('/api/conversations'), 401, 'UNAUTHENTICATED');
      refusal(await visitor(`${name}=${value}`).post('/api/auth/socket-token', {}), 401, 'UNAUTHENTICATED');
      refusal(await bearer(value).get('/api/conversations'), 401, 'UNAUTHENTICATED');
      const error = await server.turnedAway(value);
      assert.equal(error.message, 'Authentication error', what);
      assert.equal(error.data?.code, what === 'an end that is over' ? 'TOKEN_EXPIRED' : 'TOKEN_INVALID', what);
    }
  }
  // The packages themselves take some of them: what is forged here is no mere rubbish.
  const compressed = seal(RECIPES['next-auth'], { secret: SECRET, header: { zip: 'DEF' }, contents: deflateRawSync(JSON.stringify(full)) });
  assert.equal((await nextAuthJwt.decode({ token: compressed, secret: SECRET })).sub, claims.sub);
  const endless = seal(RECIPES.authjs(plain), { secret: SECRET, contents: JSON.stringify(claims) });
  assert.equal((await decodeAuthJs({ token: endless, secret: SECRET, salt: plain })).sub, claims.sub);
  // The cookie of the https site is none of the http site.
  const value = await session('authjs', { claims, secret: SECRET, name: secured });
  refusal(await visitor(`${plain}=${value}`).get('/api/conversations'), 401, 'UNAUTHENTICATED');
  good(await visitor(`${secured}=${value}`).get('/api/conversations'));
});

test('cookies of the packages that are no sessions are nobody', async () => {
  const claims = someone();
  const own = await nextAuthJwt.encode({ token: claims, secret: SECRET });
  good(await visitor(`next-auth.session-token=${own}`).get('/api/conversations'));
  for (const kind of ['state', 'nonce', 'pkce.code_verifier']) {
    const ofNextAuth = await nextAuthJwt.encode({ token: claims, secret: SECRET, salt: `next-auth.${kind}` });
    const ofAuthJs = await session('authjs', { claims, secret: SECRET, name: `authjs.${kind}` });
    const ofOldNextAuth = await nextAuthJwt.encode({ token: { value: 'a state' }, secret: SECRET });
    for (const [product, value] of [['next-auth', ofNextAuth], ['authjs', ofAuthJs], ['next-auth', ofOldNextAuth]]) {
      for (const name of [`${product}.${kind}`, cookieName(product, false), cookieName(product, true)]) {
        refusal(await visitor(`${name}=${value}`).get('/api/conversations'), 401, 'UNAUTHENTICATED');
      }
      refusal(await bearer(value).get('/api/conversations'), 401, 'UNAUTHENTICATED');
    }
  }
});

test('a session in pieces that is not whole is nobody, and a stale cookie beside a good one does no harm', async () => {
  const name = cookieName('authjs', true);
  const value = await session('authjs', { claims: someone({ roles: 'x'.repeat(5000) }), secret: SECRET, name });
  const pieces = asCookies('authjs', name, value).split('; ');
  for (const cookie of [pieces[0], pieces[1], `${pieces[0]}; ${pieces[1].replace('.1=', '.2=')}`]) {
    refusal(await visitor(cookie).get('/api/conversations'), 401, 'UNAUTHENTICATED');
  }
  for (const cookie of [
    [...pieces].reverse(),
    [`${name}=stale`, ...pieces],
    [...pieces, `${name}.x=stale`, `${name}-2=stale`],
    [`next-auth.session-token=stale`, `authjs.session-token=stale`, ...pieces],
    ['theme=K\u00f6ln', ...pieces],
  ]) {
    good(await visitor(cookie.join('; ')).get('/api/conversations'));
  }
});

test('a site that names its cookie and its users in its own way says so', async (t) => {
  const env = {
    AUTH_SECRET: SECRET,
    DOORBELL_SESSION_COOKIE: '__Secure-market.session,market.session',
    DOORBELL_SESSION_USER_ID: 'userId',
    FRONTEND_URL: ORIGIN,
  };
  const own = await Doorbell.start({ env });
  t.after(() => own.stop());
  const call = (cookie) => new Rest(() => own.next(), { cookie, origin: ORIGIN }).post('/api/auth/socket-token', {});
  const claims = someone({ userId: 4711 });
  for (const name of ['__Secure-market.session', 'market.session']) {
    for (const product of PRODUCTS) {
      const value = await session(product, { claims, secret: SECRET, name });
      assert.equal(decode(good(await call(`${name}=${value}`)).token).sub, '4711');
    }
  }
  const elsewhere = await session('authjs', { claims, secret: SECRET, name: 'authjs.session-token' });
  refusal(await call(`authjs.session-token=${elsewhere}`), 401, 'UNAUTHENTICATED');
  const nobody = await session('authjs', { claims: someone(), secret: SECRET, name: 'market.session' });
  refusal(await call(`market.session=${nobody}`), 401, 'UNAUTHENTICATED');
  own.closeClients();
});

test('without a secret the cookies are no sign-in at all', async (t) => {
  const without = await Doorbell.start();
  t.after(() => without.stop());
  const name = cookieName('authjs', false);
  const value = await session('authjs', { claims: someone(), secret: SECRET, name });
  const answer = await new Rest(() => without.next(), { cookie: `${name}=${value}` }).get('/api/conversations');
  assert.match(refusal(answer, 401, 'UNAUTHENTICATED').error, /Sign in first/);
  const error = await without.turnedAway(value);
  assert.equal(error.data?.code, 'TOKEN_INVALID');
});

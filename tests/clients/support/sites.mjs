// The sites of marketplaces: a page's server with the real NextAuth 4 or Auth.js 5 behind /api/auth, and a browser that
// signs in there.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { Auth } from '@auth/core';
import NextAuthPackage from 'next-auth';
import CredentialsPackage from 'next-auth/providers/credentials';
import AuthJsCredentials from '@auth/core/providers/credentials';
import { freePort } from './ports.mjs';

// CommonJS packages, as Node shows them to modules.
const NextAuth = NextAuthPackage.default;
const NextAuthCredentials = CredentialsPackage.default;

const body = async (request) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
};

/** What both servers have in common: an address, a count of what was asked, an end. */
class Site {
  asked = { session: 0 };

  async listen(answer) {
    this.port = await freePort();
    this.origin = `http://localhost:${this.port}`;
    this.server = createServer(async (request, response) => {
      try {
        if (new URL(request.url, this.origin).pathname.endsWith('/session')) this.asked.session += 1;
        await answer(request, response, await body(request));
      } catch (error) {
        response.writeHead(500).end(String(error));
      }
    });
    await new Promise((resolve) => this.server.listen(this.port, resolve));
    return this;
  }

  async stop() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

const people = ({ username, password }) => (password === `password of ${username}` ? { id: username, name: `Name of ${username}`, email: `${username}@example.com`, image: `https://img.example/${username}.png` } : null);

/** NextAuth 4 with sign-in by password, as a page's API route calls it. `claims`: what its jwt callback adds. */
export class NextAuthSite extends Site {
  static start({ secret, claims = {} }) {
    const site = new NextAuthSite();
    return site.listen(async (request, response, text) => {
      process.env.NEXTAUTH_URL = site.origin;
      const url = new URL(request.url, site.origin);
      // What Next.js adds to a request and a response.
      Object.assign(request, {
        query: { ...Object.fromEntries(url.searchParams), nextauth: url.pathname.replace('/api/auth/', '').split('/') },
        cookies: Object.fromEntries((request.headers.cookie ?? '').split('; ').filter(Boolean).map((pair) => [pair.slice(0, pair.indexOf('=')), decodeURIComponent(pair.slice(pair.indexOf('=') + 1))])),
        body: text && Object.fromEntries(new URLSearchParams(text)),
      });
      Object.assign(response, {
        status: (code) => Object.assign(response, { statusCode: code }),
        json: (value) => response.setHeader('content-type', 'application/json').end(JSON.stringify(value)),
        send: (value) => response.end(typeof value === 'object' ? JSON.stringify(value) : value),
      });
      await NextAuth(request, response, {
        secret,
        providers: [NextAuthCredentials({ credentials: { username: {}, password: {} }, authorize: people })],
        callbacks: { jwt: ({ token }) => ({ ...token, ...claims }) },
      });
    });
  }
}

const asWeb = (request, origin, text) => new Request(new URL(request.url, origin), { method: request.method, headers: request.headers, body: text || undefined });

async function send(answer, response) {
  response.statusCode = answer.status;
  for (const [name, value] of answer.headers) if (name !== 'set-cookie') response.setHeader(name, value);
  const cookies = answer.headers.getSetCookie();
  if (cookies.length) response.setHeader('set-cookie', cookies);
  response.end(Buffer.from(await answer.arrayBuffer()));
}

/** Auth.js 5 with sign-in by password and sessions in the cookie. */
export class AuthJsSite extends Site {
  static start({ secret, claims = {} }) {
    const site = new AuthJsSite();
    const config = {
      secret,
      trustHost: true,
      basePath: '/api/auth',
      providers: [AuthJsCredentials({ credentials: { username: {}, password: {} }, authorize: people })],
      callbacks: { jwt: ({ token }) => ({ ...token, ...claims }) },
      logger: { error() {} },
    };
    return site.listen(async (request, response, text) => send(await Auth(asWeb(request, site.origin, text), config), response));
  }
}

/** Auth.js 5 with sessions in a database, which is in memory here, and sign-in by a link in a mail. */
export class DatabaseSite extends Site {
  users = new Map();
  sessions = new Map();
  verifications = new Map();
  mails = [];
  /** Answers for the sign-in service while it is set. */
  trouble = null;

  static start({ secret }) {
    const site = new DatabaseSite();
    const config = {
      secret,
      trustHost: true,
      basePath: '/api/auth',
      adapter: site.adapter(),
      session: { strategy: 'database' },
      providers: [{ id: 'email', type: 'email', name: 'Email', from: 'site@example.com', maxAge: 600, options: {}, sendVerificationRequest: (mail) => void site.mails.push(mail) }],
      // The line without which nobody's id is in the answer.
      callbacks: { session: ({ session, user }) => ({ expires: session.expires, user: { id: user.id, name: user.name, email: user.email, image: user.image } }) },
      logger: { error() {} },
    };
    return site.listen(async (request, response, text) => {
      if (site.trouble) return site.trouble(response);
      return send(await Auth(asWeb(request, site.origin, text), config), response);
    });
  }

  /** https://authjs.dev/guides/creating-a-database-adapter, as far as sign-in by mail needs it. */
  adapter() {
    const { users, sessions, verifications } = this;
    return {
      createUser: async (user) => {
        const created = { ...user, id: randomUUID(), name: `Name of ${user.email}` };
        users.set(created.id, created);
        return created;
      },
      getUser: async (id) => users.get(id) ?? null,
      getUserByEmail: async (email) => [...users.values()].find((user) => user.email === email) ?? null,
      getUserByAccount: async () => null,
      updateUser: async (user) => {
        users.set(user.id, { ...users.get(user.id), ...user });
        return users.get(user.id);
      },
      linkAccount: async () => undefined,
      createSession: async (session) => {
        sessions.set(session.sessionToken, session);
        return session;
      },
      getSessionAndUser: async (token) => {
        const session = sessions.get(token);
        return session ? { session, user: users.get(session.userId) } : null;
      },
      updateSession: async (session) => {
        sessions.set(session.sessionToken, { ...sessions.get(session.sessionToken), ...session });
        return sessions.get(session.sessionToken);
      },
      deleteSession: async (token) => void sessions.delete(token),
      createVerificationToken: async (verification) => {
        verifications.set(verification.token, verification);
        return verification;
      },
      useVerificationToken: async ({ token }) => {
        const found = verifications.get(token) ?? null;
        verifications.delete(token);
        return found;
      },
    };
  }
}

/** Keeps cookies as a browser does for one host, and goes where it is sent only when it is told to. */
export class Browser {
  cookies = new Map();

  get cookie() {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  /** The session's cookies alone. */
  get session() {
    return [...this.cookies].filter(([name]) => name.includes('session-token')).map(([name, value]) => `${name}=${value}`).join('; ');
  }

  async fetch(url, { form, headers = {} } = {}) {
    const answer = await fetch(url, {
      method: form ? 'POST' : 'GET',
      redirect: 'manual',
      headers: { cookie: this.cookie, ...headers },
      body: form && new URLSearchParams(form),
      signal: AbortSignal.timeout(20_000),
    });
    for (const line of answer.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split(';').map((part) => part.trim());
      const [name, value] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)];
      const isGone = value === '' || attributes.some((attribute) => /^max-age=0$/i.test(attribute));
      if (isGone) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return answer;
  }

  async csrf(site) {
    return (await (await this.fetch(`${site.origin}/api/auth/csrf`)).json()).csrfToken;
  }

  async signInByPassword(site, username) {
    const csrfToken = await this.csrf(site);
    return this.fetch(`${site.origin}/api/auth/callback/credentials`, { form: { csrfToken, username, password: `password of ${username}` } });
  }

  async signInByMail(site, email) {
    const csrfToken = await this.csrf(site);
    await this.fetch(`${site.origin}/api/auth/signin/email`, { form: { csrfToken, email } });
    return this.fetch(site.mails.find((mail) => mail.identifier === email).url);
  }

  async signOut(site) {
    const csrfToken = await this.csrf(site);
    return this.fetch(`${site.origin}/api/auth/signout`, { form: { csrfToken } });
  }
}

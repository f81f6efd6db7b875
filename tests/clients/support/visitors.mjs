// Who uses a deployment: people with tokens, the host application, REST clients and sockets. Each REST call and each
// new socket goes to the address that `next` gives.
import assert from 'node:assert/strict';
import { Client, versions } from './sockets.mjs';
import { Rest } from './rest.mjs';
import { unique } from './test.mjs';
import { mint } from './tokens.mjs';

export const API_KEY = 'an-api-key-for-tests-alone-0123456789';

export class Visitors {
  /** @param {() => string} next the address of the node whose turn it is */
  constructor(next, clients = new Set()) {
    this.next = next;
    this.clients = clients;
  }

  closeClients() {
    for (const client of this.clients) client.close();
    this.clients.clear();
  }

  /** Somebody whom nobody has met: an id of their own, and a token. The directory is told when `entry` is given. */
  async person(name = 'someone', entry) {
    const id = unique(name);
    const user = { id, name: null, email: null, image: null, role: null, token: mint(id) };
    if (entry) {
      Object.assign(user, { name: `${name} ${id.slice(-4)}`, email: `${id}@example.com`, image: `https://img.example/${id}.png`, role: 'user' }, entry);
      const { name: n, email, image, role } = user;
      const put = await this.host.put(`/v1/users/${id}`, { name: n, email, image, role });
      assert.equal(put.status, 200, `PUT /v1/users: ${put.status} ${put.text}`);
    }
    return user;
  }

  /** Several people, all in the directory. */
  people(...names) {
    return Promise.all(names.map((name) => this.person(name, {})));
  }

  async listing(entry = {}) {
    const id = unique('listing');
    const full = { title: `Flat ${id}`, image: `https://img.example/${id}.jpg`, url: `https://market.example/${id}`, price: 1200, ...entry };
    const put = await this.host.put(`/v1/listings/${id}`, full);
    assert.equal(put.status, 200, `PUT /v1/listings: ${put.status} ${put.text}`);
    return { id, ...full };
  }

  /** The host application, by API key. */
  get host() {
    return new Rest(() => this.next(), { 'x-api-key': API_KEY });
  }

  api(user) {
    return new Rest(() => this.next(), user ? { authorization: `Bearer ${user.token ?? user}` } : {});
  }

  /** The direct conversation of two. */
  async direct(a, b) {
    const opened = await this.api(a).post('/api/conversations', { otherUserId: b.id });
    assert.ok([200, 201].includes(opened.status), `open: ${opened.status} ${opened.text}`);
    return opened.body.conversation;
  }

  async group(maker, others, title = 'A group') {
    const opened = await this.api(maker).post('/api/conversations', { title, isGroup: true, participantIds: others.map((o) => o.id) });
    assert.equal(opened.status, 201, `open group: ${opened.status} ${opened.text}`);
    return opened.body.conversation;
  }

  /** Over REST, as `conversations` does. */
  async say(user, conversationId, content, extra = {}) {
    const sent = await this.api(user).post('/api/messages', { conversationId, content, ...extra });
    assert.equal(sent.status, 201, `send: ${sent.status} ${sent.text}`);
    return sent.body.message;
  }

  /** All messages of a conversation, page by page, as this person sees them. Marks nothing as read. */
  async history(user, conversationId, after = 0) {
    const found = [];
    for (;;) {
      const path = `/api/messages?conversationId=${conversationId}&after=${after + found.length}&limit=1000&markRead=false`;
      const page = await this.api(user).get(path);
      assert.equal(page.status, 200, `history: ${page.status} ${page.text}`);
      found.push(...page.body.messages);
      if (!page.body.hasMore) return found;
    }
  }

  /** A recording client that has not waited for its connection. `url`: of a proxy before a node. */
  dial(user, { contract, auth = {}, version = '4.8', io = versions[version], url, ...options } = {}) {
    const token = typeof user === 'string' ? user : user?.token;
    const full = { ...(token === undefined ? {} : { token }), ...(contract ? { contract } : {}), ...auth };
    const client = new Client(io(url ?? this.next(), { forceNew: true, transports: ['websocket'], reconnection: false, auth: full, ...options }));
    client.user = user;
    this.clients.add(client);
    return client;
  }

  async socket(user, options) {
    const client = this.dial(user, options);
    await client.connected();
    return client;
  }

  /** The `connect_error` of a handshake that must fail. */
  async turnedAway(user, options) {
    const client = this.dial(user, options);
    const first = await Promise.race([client.once('(connect_error)'), client.once('(connect)').then(() => null)]);
    client.close();
    assert.notEqual(first, null, 'the socket connected, but should have been refused');
    return first;
  }
}

// Two people side by side: each pane signs in as one of the sample people, gets a token of its own, and keeps a live
// Socket.IO connection. It speaks the contract "conversations" as any front end would (docs/contracts/001-conversations.md).
'use strict';

const GROUP_MS = 5 * 60_000;
const CONTENT_CHARS = 8000;
const byId = (id) => document.getElementById(id);

// ---- Socket.IO over a native WebSocket: what this page needs of it.

class Live {
  #socket; #acks = new Map(); #nextAck = 0; #attempts = 0; #timer; #patience; #handlers; #isOver = false;

  /** `token` answers a token; `handlers` has `state` (connecting, live, offline), `event` and `refused`. */
  constructor(token, handlers) {
    this.token = token;
    this.#handlers = handlers;
    this.#open();
  }

  async #open() {
    let token;
    try {
      token = await this.token();
    } catch {
      return this.#retry();
    }
    if (this.#isOver) return;
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(`${scheme}//${location.host}/socket.io/?EIO=4&transport=websocket`);
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#packet(socket, data, token);
    socket.onclose = () => this.#retry();
    this.#expect(20_000);
  }

  /** Something must come within this time, or the connection is dead. */
  #expect(ms) {
    clearTimeout(this.#patience);
    const socket = this.#socket;
    this.#patience = setTimeout(() => { socket.onclose = null; socket.close(); this.#retry(); }, ms);
  }

  #packet(socket, data, token) {
    if (data[0] === '0') {
      const { pingInterval, pingTimeout } = JSON.parse(data.slice(1));
      this.silence = pingInterval + pingTimeout;
      socket.send(`40${JSON.stringify({ token, contract: 'conversations', recovery: false })}`);
    } else if (data[0] === '2') {
      socket.send('3');
    } else if (data.startsWith('40')) {
      this.#attempts = 0;
      this.#handlers.state('live');
    } else if (data.startsWith('44')) {
      this.#handlers.refused(JSON.parse(data.slice(2)));
      socket.close();
    } else if (data.startsWith('42')) {
      const [name, payload] = JSON.parse(data.slice(2));
      this.#handlers.event(name, payload);
    } else if (data.startsWith('43')) {
      const [, id, args] = /^43(\d+)(.*)$/s.exec(data);
      const settle = this.#acks.get(Number(id));
      this.#acks.delete(Number(id));
      settle?.resolve(JSON.parse(args)[0]);
    }
    this.#expect(this.silence ?? 20_000);
  }

  /** Answers what the server acknowledges; fails when the connection is lost before. */
  ask(name, payload) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return Promise.reject(new Error('not connected'));
    const id = this.#nextAck++;
    const answer = new Promise((resolve, reject) => this.#acks.set(id, { resolve, reject }));
    this.#socket.send(`42${id}${JSON.stringify([name, payload])}`);
    return answer;
  }

  tell(name, payload) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(`42${JSON.stringify([name, payload])}`);
  }

  #retry() {
    clearTimeout(this.#patience);
    for (const { reject } of this.#acks.values()) reject(new Error('the connection was lost'));
    this.#acks.clear();
    if (this.#isOver) return;
    this.#handlers.state(navigator.onLine ? 'connecting' : 'offline');
    const wait = Math.min(5000, 300 * 2 ** this.#attempts++) * (0.75 + Math.random() / 2);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#open(), wait);
  }

  close() {
    this.#isOver = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#patience);
    this.#socket?.close();
  }
}

// ---- Helpers

async function call(path, { token, ...init } = {}) {
  const headers = { ...(init.body ? { 'content-type': 'application/json' } : {}), ...(token ? { authorization: `Bearer ${token}` } : {}) };
  const response = await fetch(path, { ...init, headers });
  const body = await response.json();
  if (!response.ok) throw Object.assign(new Error(body.error), body);
  return body;
}

/** One sign-in at a time: both panes share the browser's one session cookie. */
let turn = Promise.resolve();
function tokenFor(userId) {
  const next = turn.catch(() => {}).then(async () => {
    await call('/api/demo/sign-in', { method: 'POST', body: JSON.stringify({ userId }) });
    return (await call('/api/auth/socket-token', { method: 'POST', body: '{}' })).token;
  });
  turn = next;
  return next;
}

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

/** Makes `nodes` the children of `parent`, and moves only what is not in its place. */
function arrange(parent, nodes) {
  nodes.forEach((node, place) => {
    if (parent.children[place] !== node) parent.insertBefore(node, parent.children[place] ?? null);
  });
  while (parent.children.length > nodes.length) parent.lastElementChild.remove();
}

const setText = (node, text) => { if (node.textContent !== text) node.textContent = text; };
const clockTime = (date) => date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
const daysAgo = (date) => Math.round((new Date().setHours(0, 0, 0, 0) - new Date(date).setHours(0, 0, 0, 0)) / 86_400_000);
function dayName(date) {
  const days = daysAgo(date);
  if (days === 0) return 'Today';
  if (days === 1) return 'Yesterday';
  return date.toLocaleDateString([], { weekday: 'long', day: 'numeric', month: 'long' });
}
const briefTime = (date) => {
  const days = daysAgo(date);
  if (days === 0) return clockTime(date);
  return days < 7 ? date.toLocaleDateString([], { weekday: 'short' }) : date.toLocaleDateString([], { day: 'numeric', month: 'short' });
};
const badge = (count) => (count > 99 ? '99+' : String(count));
const firstName = (person) => (person?.name ?? person?.id ?? 'Somebody').split(' ')[0];

/** Text with its web addresses as links. Nothing of it is ever read as HTML. */
function fillText(node, text) {
  for (const part of text.split(/(https?:\/\/[^\s<>"']+)/)) {
    if (!/^https?:\/\//.test(part)) { node.append(part); continue; }
    const link = make('a', '', part);
    Object.assign(link, { href: part, target: '_blank', rel: 'noopener noreferrer' });
    node.append(link);
  }
}

const announced = [];
/** Says new messages to screen readers; what comes at once is summed up. */
function announce(text) {
  announced.push(text);
  if (announced.length > 1) return;
  setTimeout(() => {
    byId('announcer').textContent = announced.length > 2 ? `${announced.length} new messages` : announced.join('. ');
    announced.length = 0;
  }, 300);
}

// ---- A pane

class Pane {
  conversations = new Map(); online = new Set(); drafts = new Map(); typists = new Map(); nodes = new Map(); rowNodes = new Map();
  messages = new Map(); pending = []; openId = null; markedSeq = 0; generation = 0; newCount = 0; firstNewSeq = null;

  constructor(side, people) {
    this.side = side;
    this.people = people;
    this.root = byId('pane').content.firstElementChild.cloneNode(true);
    this.root.dataset.side = side;
    this.root.setAttribute('aria-label', side === 'left' ? 'Left side' : 'Right side');
    byId('panes').append(this.root);
    const find = (selector) => this.root.querySelector(selector);
    this.ui = Object.fromEntries(['face', 'state', 'state-text', 'lost', 'columns', 'list', 'rows', 'list-note', 'hint', 'open', 'back', 'picture', 'title',
      'subtitle', 'mirror', 'scroller', 'earlier', 'messages', 'jump', 'typing', 'closed', 'composer', 'count'].map((name) => [name, find(`.${name}`)]));
    this.ui.select = find('select');
    this.ui.input = find('textarea');
    this.ui.input.id = `${side}-message`;
    find('.composer label').htmlFor = this.ui.input.id;
    for (const person of people) this.ui.select.append(new Option(`${person.name} (${person.role})`, person.id));
    this.#listen();
  }

  #listen() {
    const { ui } = this;
    ui.select.onchange = () => { this.signIn(ui.select.value); remember(); };
    ui.back.onclick = () => { this.show(null); remember(true); };
    ui.mirror.onclick = () => this.mirror();
    ui.earlier.onclick = () => this.loadEarlier();
    ui.jump.onclick = () => { this.toBottom(); ui.input.focus(); };
    ui.scroller.onscroll = () => { this.atBottom = this.isAtBottom(); this.afterScroll(); };
    // A keyboard that slides in, or a header that grows, must not hide the last message.
    new ResizeObserver(() => { if (this.atBottom) this.toBottom(); }).observe(ui.scroller);
    ui.composer.onsubmit = (event) => { event.preventDefault(); this.send(); };
    ui.input.oninput = () => this.typed();
    ui.input.onkeydown = (event) => {
      // Enter that ends a composition of characters sends nothing; on phones it breaks the line.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing || matchMedia('(pointer: coarse)').matches) return;
      event.preventDefault();
      if (!event.repeat) this.send();
    };
    ui.rows.onkeydown = (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const rows = [...ui.rows.querySelectorAll('button')];
      rows[rows.indexOf(document.activeElement) + step]?.focus();
    };
    ui.open.onkeydown = (event) => {
      if (event.key !== 'Escape' || event.isComposing) return;
      const id = this.openId;
      this.show(null);
      remember(true);
      this.rowNodes.get(id)?.button.focus();
    };
  }

  // -- Who

  async signIn(userId, openId = null) {
    this.live?.close();
    const generation = ++this.generation;
    this.me = this.people.find((person) => person.id === userId) ?? this.people[0];
    this.ui.select.value = this.me.id;
    this.ui.face.src = this.me.image;
    for (const kept of [this.conversations, this.online, this.drafts, this.rowNodes]) kept.clear();
    this.pending = JSON.parse(sessionStorage.getItem(this.pendingKey) ?? '[]');
    this.show(null);
    this.renderRows();
    renderSides();
    this.setState('connecting');
    let token;
    const current = () => generation === this.generation;
    this.wanted = openId;
    this.live = new Live(async () => (token ??= await tokenFor(this.me.id)), {
      state: (state) => {
        if (!current()) return;
        this.setState(state);
        if (state === 'live') this.catchUp(token, generation);
      },
      event: (name, payload) => { if (current()) this.heard(name, payload); },
      refused: () => { token = undefined; },
    });
  }

  get pendingKey() { return `pending ${this.me.id}`; }

  setState(state) {
    this.state = state;
    this.ui.state.dataset.state = state;
    setText(this.ui['state-text'], { live: 'Live', connecting: 'Connecting…', offline: 'Offline' }[state]);
    // Who is online is known while one is online oneself.
    if (state !== 'live') this.online.clear();
    this.renderRows();
    this.renderAbout();
    clearTimeout(this.lostTimer);
    if (state === 'live') this.ui.lost.hidden = true;
    else this.lostTimer = setTimeout(() => { this.ui.lost.hidden = false; }, 3000);
  }

  /** After every connection: the list, what the open conversation missed, and what could not be sent. */
  async catchUp(token, generation) {
    this.token = token;
    try {
      const { conversations } = await call('/api/conversations', { token });
      if (generation !== this.generation) return;
      this.conversations = new Map(conversations.map((conversation) => [conversation.id, conversation]));
    } catch {
      if (generation === this.generation) setText(this.ui['list-note'], 'The conversations could not be loaded. They come with the next connection.');
      return;
    }
    this.isLoaded = true;
    this.renderRows();
    if (this.openId) this.join(Math.max(0, ...this.messages.keys()));
    else if (this.wanted && this.conversations.has(this.wanted)) this.show(this.wanted);
    this.wanted = null;
    for (const message of this.pending) this.deliver(message);
    this.onLoaded?.();
  }

  // -- What comes in

  heard(name, payload) {
    if (name === 'message:received') this.received(payload);
    else if (name === 'conversation:updated') this.updated(payload.conversation);
    else if (name === 'presence:update') {
      this.online[payload.status === 'online' ? 'add' : 'delete'](payload.userId);
      this.renderRows();
      this.renderAbout();
    } else if (name === 'typing:update') this.othersType(payload);
    else if (name === 'message:read_update') this.wereRead(payload);
  }

  received(message) {
    const conversation = this.conversations.get(message.conversationId);
    const isMine = message.senderId === this.me.id;
    this.settle(message);
    if (conversation && message.seq > (conversation.messages[0]?.seq ?? 0)) {
      Object.assign(conversation, { lastMessage: message.text, lastMessageAt: message.createdAt, messages: [message] });
      if (!isMine) conversation.unreadCount += 1;
    }
    if (message.conversationId === this.openId) {
      const wasAtBottom = this.isAtBottom();
      this.messages.set(message.seq, message);
      this.stopTyping(message.senderId);
      if (!isMine && !wasAtBottom) this.newCount += 1;
      this.renderMessages();
      if (wasAtBottom || isMine) this.toBottom();
      if (!isMine && this.isSeen()) announce(`${firstName(message.sender)}: ${message.text}`);
      this.mark();
    }
    this.renderRows();
  }

  updated(news) {
    const known = this.conversations.get(news.id);
    // A group's update comes without its people.
    this.conversations.set(news.id, { ...news, participants: news.participants ?? known?.participants ?? [] });
    this.renderRows();
    if (news.id === this.openId) this.renderAbout();
  }

  wereRead({ conversationId, userId, seq, readAt }) {
    if (conversationId !== this.openId || userId === this.me.id) return;
    for (const message of this.messages.values()) {
      if (message.seq <= seq && message.senderId !== userId && !message.read) Object.assign(message, { read: true, readAt });
    }
    this.renderMessages();
  }

  othersType({ conversationId, user, userId, isTyping }) {
    if (conversationId !== this.openId) return;
    this.stopTyping(userId);
    if (isTyping) this.typists.set(userId, { name: firstName(user ?? { id: userId }), timer: setTimeout(() => this.stopTyping(userId), 7000) });
    this.renderTyping();
  }

  stopTyping(userId) {
    clearTimeout(this.typists.get(userId)?.timer);
    this.typists.delete(userId);
    this.renderTyping();
  }

  renderTyping() {
    const names = [...this.typists.values()].map(({ name }) => name);
    setText(this.ui.typing, names.length === 0 ? '' : `${names.join(' and ')} ${names.length > 1 ? 'are' : 'is'} typing…`);
  }

  // -- The list

  others(conversation) {
    return conversation.participants.filter(({ userId, leftAt }) => userId !== this.me.id && !leftAt).map(({ user }) => user);
  }

  titleOf(conversation) {
    return conversation.isGroup ? conversation.title ?? 'Group' : this.others(conversation)[0]?.name ?? 'Somebody';
  }

  renderRows() {
    const sorted = [...this.conversations.values()].sort((one, other) => (other.lastMessageAt ?? other.createdAt).localeCompare(one.lastMessageAt ?? one.createdAt));
    arrange(this.ui.rows, sorted.map((conversation) => this.row(conversation)));
    const note = this.ui['list-note'];
    note.hidden = sorted.length > 0;
    if (!note.hidden) setText(note, this.isLoaded ? 'No conversations yet. Choose somebody else above.' : 'Loading…');
    renderSides();
  }

  row(conversation) {
    let row = this.rowNodes.get(conversation.id);
    if (!row) {
      const item = make('li');
      const button = make('button', 'row');
      button.type = 'button';
      const face = make('span', 'row-face');
      row = { item, button, face, name: make('span', 'row-name'), time: make('time'), listing: make('span', 'row-listing'), last: make('span', 'row-last'), badge: make('span', 'badge') };
      const foot = make('span', 'row-foot');
      foot.append(row.last, row.badge);
      button.append(face, row.name, row.time, row.listing, foot);
      item.append(button);
      button.onclick = () => { this.show(conversation.id); remember(true); this.ui.input.focus({ preventScroll: true }); };
      this.rowNodes.set(conversation.id, row);
    }
    const others = this.others(conversation);
    const title = this.titleOf(conversation);
    const isOnline = !conversation.isGroup && others.some(({ id }) => this.online.has(id));
    const last = conversation.messages[0];
    const prefix = !last ? '' : last.senderId === this.me.id ? 'You: ' : conversation.isGroup ? `${firstName(last.sender)}: ` : '';
    const date = last ? new Date(last.createdAt) : null;
    const context = conversation.listing?.title ?? (conversation.isGroup ? `${conversation.participants.length} people` : 'Direct');
    const shown = conversation.isGroup ? 'group' : others[0]?.image ?? '';
    if (row.shown !== shown) {
      row.shown = shown;
      const image = shown === 'group' || !shown ? make('span', 'initials', title.slice(0, 1)) : Object.assign(make('img'), { src: shown, alt: '' });
      row.dot = make('span', 'online');
      row.face.replaceChildren(image, row.dot);
    }
    row.dot.hidden = !isOnline;
    setText(row.name, title);
    setText(row.listing, context);
    setText(row.last, last ? prefix + conversation.lastMessage : 'No message yet');
    setText(row.time, date ? briefTime(date) : '');
    setText(row.badge, badge(conversation.unreadCount));
    row.badge.hidden = conversation.unreadCount === 0;
    row.button.classList.toggle('is-unread', conversation.unreadCount > 0);
    const words = [title, isOnline ? 'online' : '', context, conversation.unreadCount ? `${conversation.unreadCount} unread` : '', last ? prefix + conversation.lastMessage : '', row.time.textContent];
    row.button.setAttribute('aria-label', words.filter(Boolean).join(', '));
    if (conversation.id === this.openId) row.button.setAttribute('aria-current', 'true');
    else row.button.removeAttribute('aria-current');
    return row.item;
  }

  get unread() {
    return [...this.conversations.values()].reduce((sum, { unreadCount }) => sum + unreadCount, 0);
  }

  // -- The open conversation

  show(id) {
    if (this.openId === id && id !== null) return;
    if (this.openId) {
      this.drafts.set(this.openId, this.ui.input.value);
      this.stopMyTyping();
      this.live?.tell('conversation:leave', { conversationId: this.openId });
    }
    this.openId = id;
    this.messages.clear();
    this.nodes.clear();
    for (const userId of [...this.typists.keys()]) this.stopTyping(userId);
    Object.assign(this, { markedSeq: 0, newCount: 0, firstNewSeq: null, hasEarlier: false, refusal: null });
    this.ui.columns.classList.toggle('shows-chat', id !== null);
    this.ui.hint.hidden = id !== null;
    this.ui.open.hidden = id === null;
    this.ui.messages.replaceChildren();
    this.ui.input.value = this.drafts.get(id) ?? '';
    this.fit();
    if (id) this.join();
    this.renderAbout();
    this.renderRows();
    for (const pane of panes) pane.renderAbout();
  }

  async join(afterSeq) {
    const id = this.openId;
    const unread = this.conversations.get(id)?.unreadCount ?? 0;
    const answer = await this.live.ask('conversation:join', { conversationId: id, ...(afterSeq ? { afterSeq } : {}) }).catch(() => null);
    if (!answer || id !== this.openId) return;
    if (!answer.ok) {
      this.refusal = answer.error.message;
      return this.renderAbout();
    }
    const wasAtBottom = afterSeq === undefined || this.isAtBottom();
    for (const message of answer.messages) {
      this.messages.set(message.seq, message);
      this.settle(message);
    }
    if (!afterSeq) {
      this.hasEarlier = answer.hasMore;
      const theirs = answer.messages.filter(({ senderId }) => senderId !== this.me.id);
      this.firstNewSeq = unread > 0 ? theirs.at(-unread)?.seq ?? theirs[0]?.seq ?? null : null;
    } else if (answer.hasMore) {
      return this.join(Math.max(...this.messages.keys()));
    }
    this.renderMessages();
    if (wasAtBottom) this.toBottom();
    this.mark();
  }

  async loadEarlier() {
    const id = this.openId;
    const before = Math.min(...this.messages.keys());
    const page = await call(`/api/messages?conversationId=${encodeURIComponent(id)}&before=${before}&limit=50&markRead=false`, { token: this.token }).catch(() => null);
    if (!page || id !== this.openId) return;
    const fromBottom = this.ui.scroller.scrollHeight - this.ui.scroller.scrollTop;
    for (const message of page.messages) this.messages.set(message.seq, message);
    this.hasEarlier = page.hasMore;
    this.renderMessages();
    this.ui.scroller.scrollTop = this.ui.scroller.scrollHeight - fromBottom;
  }

  renderAbout() {
    const conversation = this.conversations.get(this.openId);
    if (!conversation) return;
    const others = this.others(conversation);
    const isOnline = others.some(({ id }) => this.online.has(id));
    const presence = conversation.isGroup
      ? `${others.length + 1} people: ${others.map(firstName).join(', ')} and you`
      : this.state !== 'live' ? '' : isOnline ? 'Online' : 'Offline';
    const { listing } = conversation;
    setText(this.ui.title, this.titleOf(conversation));
    setText(this.ui.subtitle, [listing?.title, listing?.price, presence].filter(Boolean).join(' · '));
    this.ui.picture.hidden = !listing?.image;
    if (listing?.image && this.ui.picture.getAttribute('src') !== listing.image) this.ui.picture.src = listing.image;
    this.ui.closed.hidden = !this.refusal;
    this.ui.composer.hidden = Boolean(this.refusal);
    setText(this.ui.closed, this.refusal ?? '');
    const partner = this.partner(conversation);
    const other = panes.find((pane) => pane !== this);
    this.ui.mirror.hidden = !partner || (other?.me?.id === partner.id && other.openId === this.openId);
    if (partner) setText(this.ui.mirror, `Open ${this.side === 'left' ? 'right' : 'left'} as ${firstName(partner)}`);
  }

  /** Who of this conversation is, or should be, on the other side of the screen. */
  partner(conversation) {
    const other = panes.find((pane) => pane !== this)?.me?.id;
    const candidates = this.others(conversation).filter(({ id }) => this.people.some((person) => person.id === id));
    return candidates.find(({ id }) => id === other) ?? candidates[0];
  }

  mirror() {
    const conversation = this.conversations.get(this.openId);
    const other = panes.find((pane) => pane !== this);
    const partner = this.partner(conversation);
    if (other.me.id === partner.id) other.show(conversation.id);
    else other.signIn(partner.id, conversation.id);
    remember(true);
    showSide(other.side);
    this.renderAbout();
  }

  // -- Messages

  renderMessages() {
    const items = [];
    let day = null;
    let before = null;
    const ordered = [...this.messages.values()].sort((one, other) => one.seq - other.seq);
    const waiting = this.pending.filter(({ conversationId }) => conversationId === this.openId);
    for (const message of [...ordered, ...waiting]) {
      const date = new Date(message.createdAt);
      if (dayName(date) !== day) {
        day = dayName(date);
        items.push(this.node(`day ${date.toDateString()}`, () => { const item = make('li', 'day'); item.append(make('span')); return item; }, (item) => setText(item.firstChild, day)));
        before = null;
      }
      if (message.seq && message.seq === this.firstNewSeq) {
        items.push(this.node('new', () => make('li', 'new-line', 'New')));
        before = null;
      }
      const isFirst = !before || before.senderId !== message.senderId || date - new Date(before.createdAt) > GROUP_MS;
      items.push(this.node(`m ${message.clientMessageId ?? message.seq}`, () => this.bubble(message), (item) => this.refresh(item, message, isFirst)));
      before = message;
    }
    arrange(this.ui.messages, items);
    this.ui.earlier.hidden = !this.hasEarlier;
    this.afterScroll();
  }

  node(key, build, refresh) {
    if (!this.nodes.has(key)) this.nodes.set(key, build());
    const node = this.nodes.get(key);
    refresh?.(node);
    return node;
  }

  bubble(message) {
    const isMine = message.senderId === this.me.id;
    const item = make('li', isMine ? 'message is-mine' : 'message');
    const sender = this.people.find(({ id }) => id === message.senderId) ?? message.sender;
    if (!isMine) {
      const image = Object.assign(make('img'), { alt: '', width: 32, height: 32 });
      if (sender?.image) image.src = sender.image;
      item.append(image, make('span', 'sender', sender?.name ?? message.senderId));
    }
    const bubble = make('div', 'bubble');
    bubble.dir = 'auto';
    if (/^[\p{Extended_Pictographic}\p{Emoji_Component}\s]+$/u.test(message.text) && !/^[\d#*\s]+$/.test(message.text)) bubble.classList.add('is-large');
    fillText(bubble, message.text);
    const meta = make('div', 'meta');
    item.append(bubble, meta);
    return item;
  }

  refresh(item, message, isFirst) {
    const isMine = message.senderId === this.me.id;
    item.classList.toggle('is-first', isFirst);
    if (!isMine) {
      item.querySelector('img').style.visibility = isFirst ? '' : 'hidden';
      item.querySelector('.sender').hidden = !isFirst;
    }
    const status = !isMine ? 'theirs' : message.seq ? (message.read ? 'read' : 'sent') : message.error ? 'failed' : 'sending';
    const meta = item.querySelector('.meta');
    if (meta.dataset.status === status && meta.dataset.error === (message.error ?? '')) return;
    meta.dataset.status = status;
    meta.dataset.error = message.error ?? '';
    const date = new Date(message.createdAt);
    const time = make('time', '', clockTime(date));
    time.dateTime = message.createdAt;
    time.title = date.toLocaleString();
    meta.replaceChildren(time);
    if (status === 'failed') {
      const again = make('button', '', 'Retry');
      const away = make('button', '', 'Delete');
      again.type = away.type = 'button';
      again.onclick = () => { message.error = undefined; this.renderMessages(); this.deliver(message); };
      away.onclick = () => { this.forget(message); this.renderMessages(); };
      meta.append(make('span', '', `Not sent. ${message.error}`), again, away);
    } else if (isMine) {
      const tick = make('span', 'tick', { sending: '◷', sent: '✓', read: '✓✓' }[status]);
      tick.setAttribute('aria-hidden', 'true');
      meta.append(tick, make('span', '', { sending: 'Sending', sent: 'Sent', read: 'Read' }[status]));
    }
  }

  isAtBottom() {
    const { scrollTop, scrollHeight, clientHeight } = this.ui.scroller;
    return scrollHeight - scrollTop - clientHeight < 40;
  }

  isSeen() {
    return document.visibilityState === 'visible' && this.ui.messages.offsetParent !== null;
  }

  toBottom() {
    this.atBottom = true;
    this.ui.scroller.scrollTop = this.ui.scroller.scrollHeight;
    this.afterScroll();
  }

  afterScroll() {
    if (this.isAtBottom()) {
      this.newCount = 0;
      this.mark();
    }
    this.ui.jump.hidden = this.newCount === 0;
    if (this.newCount) setText(this.ui.jump, `${this.newCount} new ↓`);
  }

  /** Read is what is open, on the screen, and scrolled to. */
  mark() {
    if (this.state !== 'live' || !this.isSeen() || !this.isAtBottom()) return;
    const last = [...this.messages.values()].reduce((most, message) => (message.senderId !== this.me.id && message.seq > (most?.seq ?? 0) ? message : most), null);
    const conversation = this.conversations.get(this.openId);
    if (!last || last.seq <= this.markedSeq) return;
    this.markedSeq = last.seq;
    if (conversation && conversation.unreadCount > 0) {
      this.live.tell('message:read', { conversationId: this.openId, messageId: last.id });
      conversation.unreadCount = 0;
      this.renderRows();
    }
  }

  // -- Writing

  typed() {
    const characters = [...this.ui.input.value].length;
    this.ui.count.hidden = characters < CONTENT_CHARS * 0.9;
    setText(this.ui.count, `${characters} / ${CONTENT_CHARS}`);
    this.fit();
    if (characters === 0) return this.stopMyTyping();
    const now = Date.now();
    if (now - (this.typedAt ?? 0) > 2000) {
      this.typedAt = now;
      this.live.tell('typing:start', { conversationId: this.openId });
    }
    clearTimeout(this.typingTimer);
    this.typingTimer = setTimeout(() => this.stopMyTyping(), 4000);
  }

  stopMyTyping() {
    clearTimeout(this.typingTimer);
    if (!this.typedAt) return;
    this.typedAt = 0;
    this.live.tell('typing:stop', { conversationId: this.openId });
  }

  /** As high as the text, up to what the style allows. */
  fit() {
    const { input } = this.ui;
    input.rows = Math.min(6, Math.max(1, input.value.split('\n').length));
  }

  send() {
    const text = this.ui.input.value.trim();
    if (!text || !this.openId) return;
    const random = [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    const message = { conversationId: this.openId, clientMessageId: `demo-${random}`, text, senderId: this.me.id, createdAt: new Date().toISOString() };
    this.pending.push(message);
    this.keepPending();
    this.ui.input.value = '';
    this.typed();
    this.ui.input.focus();
    this.renderMessages();
    this.toBottom();
    this.deliver(message);
  }

  /** Sent again after a lost connection, it has the same clientMessageId: it is stored once. */
  async deliver(message) {
    if (message.error || message.isUnderWay) return;
    message.isUnderWay = true;
    try {
      const { conversationId, clientMessageId, text } = message;
      const answer = await this.live.ask('message:send', { conversationId, clientMessageId, content: text });
      if (answer.ok) this.received(answer.message);
      else message.error = answer.error.message;
    } catch {
      // It stays in the queue; the next connection takes it up.
    }
    message.isUnderWay = false;
    if (message.conversationId === this.openId) this.renderMessages();
  }

  /** The server has it: it waits no longer. */
  settle({ clientMessageId }) {
    const message = this.pending.find((waiting) => waiting.clientMessageId === clientMessageId);
    if (message) this.forget(message);
  }

  forget(message) {
    this.pending = this.pending.filter((waiting) => waiting !== message);
    this.keepPending();
  }

  keepPending() {
    sessionStorage.setItem(this.pendingKey, JSON.stringify(this.pending.map(({ isUnderWay, ...message }) => message)));
  }
}

// ---- The page

let panes = [];

/** The address says who is on which side and what they look at: so it can be reloaded, shared, gone back from. */
function remember(isStep = false) {
  const query = new URLSearchParams();
  for (const { side, me, openId } of panes) {
    query.set(side, me.id);
    const chat = openId ?? panes.find((pane) => pane.side === side).wanted;
    if (chat) query.set(`${side}-chat`, chat);
  }
  const address = `?${query}`;
  if (address === location.search) return;
  history[isStep ? 'pushState' : 'replaceState'](null, '', address);
}

function restore() {
  const query = new URLSearchParams(location.search);
  for (const pane of panes) {
    const chat = query.get(`${pane.side}-chat`);
    const person = query.get(pane.side);
    if (person && person !== pane.me.id) pane.signIn(person, chat);
    else if (pane.openId !== chat) pane.show(chat && pane.conversations.has(chat) ? chat : null);
  }
}

function showSide(side) {
  document.body.dataset.side = side;
  for (const button of document.querySelectorAll('.sides button')) button.setAttribute('aria-pressed', String(button.dataset.side === side));
  for (const pane of panes) { if (pane.openId && pane.isSeen()) { pane.toBottom(); pane.mark(); } }
}

function renderSides() {
  for (const pane of panes) {
    const button = document.querySelector(`.sides button[data-side="${pane.side}"]`);
    setText(button.querySelector('.side-name'), firstName(pane.me));
    const count = button.querySelector('.badge');
    count.hidden = pane.unread === 0;
    setText(count, badge(pane.unread));
  }
}

async function start() {
  const { users } = await call('/api/demo/users');
  const query = new URLSearchParams(location.search);
  panes = ['left', 'right'].map((side) => new Pane(side, users));
  panes.forEach((pane, place) => {
    pane.me = users.find(({ id }) => id === query.get(pane.side)) ?? users[place];
  });
  for (const pane of panes) {
    pane.onLoaded = () => {
      pane.onLoaded = null;
      const isAllLoaded = panes.every(({ onLoaded }) => onLoaded === null);
      if (!isAllLoaded || panes.some(({ openId }) => openId) || query.has('left') || query.has('right')) return remember();
      // A newcomer sees both sides of one conversation at once.
      const [left, right] = panes;
      const shared = [...left.conversations.values()].find(({ id, isGroup }) => !isGroup && right.conversations.has(id));
      if (shared) for (const either of panes) either.show(shared.id);
      remember();
    };
    pane.signIn(pane.me.id, query.get(`${pane.side}-chat`));
  }
  for (const button of document.querySelectorAll('.sides button')) button.onclick = () => showSide(button.dataset.side);
  addEventListener('popstate', restore);
  document.addEventListener('visibilitychange', () => { for (const pane of panes) pane.mark(); });
}

start().catch((error) => {
  byId('panes').append(make('p', 'notice', `The sample marketplace cannot be reached: ${error.message}. Reload the page to try again.`));
});

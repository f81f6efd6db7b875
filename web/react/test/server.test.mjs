// Pages that are rendered on a server first (Next.js, say): nothing there has a window.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createElement } from 'react';
import { renderToString } from 'react-dom/server';
import { Chat, ContactOwner, DoorbellProvider, Inbox } from '../dist/index.js';

const store = (value) => ({ get: () => value, subscribe: () => () => {} });
const person = { id: 'u-ana', name: 'Ana Sousa', image: null };
const conversation = { id: 'c-1', isGroup: false, title: null, participants: [{ userId: 'u-ana', leftAt: null, user: person }], messages: [], listing: null, unreadCount: 1, createdAt: '2026-03-02T10:00:00Z', lastMessageAt: null };
const client = {
  state: store({ status: 'connecting', since: 0 }),
  me: store({ id: 'u-me', name: 'Noor' }),
  inbox: { list: store({ items: [conversation], isLoading: false, hasMore: false, error: null }), unread: store(1) },
  presence: (userId) => store({ userId, status: 'unknown', lastSeenAt: null }),
  conversation: () => ({ draft: store(''), open: () => () => {}, state: store({ conversation, messages: [], reads: {}, typing: [], isLoading: true, hasOlder: false, hasNewer: false, firstUnreadSeq: null, isUnreadKnown: false, error: null }) }),
  on: () => () => {},
};

test('list, chat and button render without a browser', () => {
  const html = renderToString(createElement(DoorbellProvider, { client, locale: 'de', accent: '#b4472f', hrefFor: (id) => `/messages/${id}` },
    createElement(Inbox), createElement(Chat, { conversationId: 'c-1' }), createElement(ContactOwner, { listingId: 'l-1', ownerId: 'u-ana' })));
  assert.match(html, /href="\/messages\/c-1"/);
  assert.match(html, /Anbieter kontaktieren/);
  assert.match(html, /Nachricht an Ana Sousa/);
});

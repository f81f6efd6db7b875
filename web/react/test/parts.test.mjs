// The parts that compute, without a browser.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refusal, DEFAULT_LIMITS } from '../dist/composer/refusals.js';
import { heldOrder, lastLine, matches } from '../dist/inbox/wording.js';
import { boxOf } from '../dist/media/box.js';
import { createAnnouncements } from '../dist/provider/announcements.js';
import { accentVariables, contrast, parseColour } from '../dist/theme/accent.js';
import { dayName, dayOf, shortTime } from '../dist/texts/times.js';
import { ar, de, en, es, wordingFor } from '../dist/texts/index.js';
import { anchorsAt, correction } from '../dist/timeline/anchor.js';
import { daysOf } from '../dist/timeline/groups.js';
import { earlier, FIRST_ROWS, indexOfSeq, later, latestRange, MOST_ROWS, rangeAround, shownIndexes } from '../dist/timeline/range.js';
import { isEmojiOnly, shownAddress, trimAddress } from '../dist/timeline/text.js';

const english = wordingFor('en-GB');
const at = (text) => Date.parse(text);
const line = (seq, senderId, createdAt) => ({ seq, senderId, createdAt, key: `k${seq}` });
const numbered = (count, pending = 0) => [...Array.from({ length: count }, (_, index) => ({ seq: index + 1 })), ...Array.from({ length: pending }, () => ({ seq: 0 }))];

test('what one person writes within five minutes is one group', () => {
  const [day] = daysOf([
    line(1, 'ana', '2026-03-02T10:00:00Z'), line(2, 'ana', '2026-03-02T10:04:59Z'), line(3, 'ana', '2026-03-02T10:10:00Z'), line(4, 'me', '2026-03-02T10:10:30Z'),
  ], 0, 4, null);
  assert.deepEqual(day.rows.map(({ isFirst, isLast }) => [isFirst, isLast]), [[true, false], [false, true], [true, true], [true, true]]);
});

test('a group that began before what is shown does not begin again there', () => {
  const [day] = daysOf([line(1, 'ana', '2026-03-02T10:00:00Z'), line(2, 'ana', '2026-03-02T10:01:00Z')], 1, 2, null);
  assert.equal(day.rows[0].isFirst, false);
});

test('the "New" line stands before the first unread message, ends a group, and is there once', () => {
  const [day] = daysOf([1, 2, 3].map((seq) => line(seq, 'ana', `2026-03-02T10:0${seq}:00Z`)), 0, 3, 2);
  assert.deepEqual(day.rows.map(({ isNew }) => isNew), [false, true, false]);
  assert.deepEqual(day.rows.map(({ isFirst, isLast }) => [isFirst, isLast]), [[true, true], [true, false], [false, true]]);
});

test('every day has one section, also when a clock went back', () => {
  const days = daysOf([line(1, 'a', '2026-03-02T12:00:00Z'), line(2, 'b', '2026-03-03T12:00:00Z'), line(3, 'a', '2026-03-02T13:00:00Z')], 0, 3, null);
  assert.equal(days.length, 2);
  assert.equal(new Set(days.map(({ key }) => key)).size, 2);
});

test('today, yesterday, the weekday and the date are told apart by the calendar, not by 24 hours', () => {
  const now = new Date(2026, 2, 10, 0, 30).getTime();
  assert.equal(dayOf(now) - dayOf(now - 40 * 60_000), 1);
  assert.equal(dayName(english, now - 40 * 60_000, now), 'Yesterday');
  assert.equal(shortTime(english, now - 5 * 60_000, now), '00:25');
  assert.equal(shortTime(english, new Date(2026, 2, 6, 12).getTime(), now), 'Friday');
  assert.equal(shortTime(english, new Date(2026, 0, 6, 12).getTime(), now), '6 Jan');
});

test('no more rows are shown than are allowed, however many there are', () => {
  const messages = numbered(50_000, 2);
  const [start, end] = shownIndexes(messages, { from: 1, to: Infinity }, true);
  assert.deepEqual([start, end], [messages.length - MOST_ROWS, messages.length]);
  assert.deepEqual(shownIndexes(messages, { from: 1, to: Infinity }, false), [0, MOST_ROWS]);
});

test('what is shown stays the same when older messages come before it', () => {
  const messages = numbered(500).slice(300);
  const range = latestRange(messages);
  const before = messages.slice(...shownIndexes(messages, range, false));
  const more = numbered(500);
  assert.deepEqual(more.slice(...shownIndexes(more, range, false)), before);
});

test('going up and down through a conversation shows every message', () => {
  const messages = numbered(1_000, 1);
  let range = latestRange(messages);
  assert.equal(shownIndexes(messages, range, true)[1] - shownIndexes(messages, range, true)[0], FIRST_ROWS);
  const seen = new Set();
  for (const step of [earlier, later]) {
    for (let next = range; next; next = step(messages, shownIndexes(messages, range, false))) {
      range = next;
      const [start, end] = shownIndexes(messages, range, false);
      assert.ok(end - start <= MOST_ROWS && end > start);
      for (let index = start; index < end; index += 1) seen.add(index);
    }
  }
  assert.equal(seen.size, messages.length);
  assert.equal(range.to, Infinity, 'at the end again it follows what comes in');
});

test('messages that are not stored yet stand behind all others', () => {
  const messages = numbered(10, 2);
  assert.equal(indexOfSeq(messages, 11), 10);
  const [start, end] = shownIndexes(messages, rangeAround(messages, 4), false);
  assert.ok(start <= 3 && end === 12);
});

const boxes = (tops, height = 40) => tops.map((top, index) => ({ dataset: { key: `k${index}` }, getBoundingClientRect: () => ({ top, bottom: top + height }) }));

test('a position is remembered by a row that begins in view', () => {
  const anchors = anchorsAt(boxes([-90, -30, 10, 50]), { top: 0, bottom: 100 });
  assert.deepEqual(anchors[0], { key: 'k2', top: 10 });
  assert.deepEqual(anchorsAt(boxes([-900], 2_000), { top: 0, bottom: 100 })[0], { key: 'k0', top: -900 }, 'one that fills the view is better than none');
});

test('when the best row is gone the next one holds the position', () => {
  const anchors = [{ key: 'gone', top: 10 }, { key: 'k1', top: 50 }];
  const rows = Object.fromEntries(boxes([0, 75]).map((row) => [row.dataset.key, row]));
  assert.equal(correction(anchors, 0, (key) => rows[key] ?? null), 25);
});

test('any brand colour can be read on, and written in, in both themes', () => {
  const rgb = (css) => parseColour(css.replaceAll(' ', ',').replace('rgb(,', 'rgb('));
  const themes = [['light', [[255, 255, 255], [250, 247, 242], [244, 239, 231]]], ['dark', [[33, 29, 25], [24, 21, 18], [45, 40, 35], [51, 46, 41]]]];
  for (let number = 0; number < 4_096; number += 1) {
    const colour = [number >> 8, (number >> 4) & 15, number & 15].map((part) => part * 17);
    const variables = accentVariables(colour);
    assert.ok(contrast(rgb(variables['--db-accent']), rgb(variables['--db-on-accent'])) >= 4.5, `text on ${colour}`);
    for (const [theme, surfaces] of themes) {
      for (const surface of surfaces) {
        assert.ok(contrast(rgb(variables[`--db-accent-ink-${theme}`]), surface) >= 4.5, `${colour} as text on ${surface}: ${variables[`--db-accent-ink-${theme}`]}`);
        assert.ok(contrast(rgb(variables[`--db-accent-edge-${theme}`]), surface) >= 3, `${colour} as an edge on ${surface}`);
      }
    }
  }
});

test('a colour that is none is no accent', () => {
  assert.equal(parseColour('terracotta-ish'), null);
  assert.deepEqual(parseColour('#b52'), [187, 85, 34]);
  assert.deepEqual(parseColour('rgb(1, 2, 3)'), [1, 2, 3]);
});

test('each language has every text, with the same things to fill in, and every form that it counts by', () => {
  const names = (text) => [...new Set([...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name))].filter((name) => name !== 'count').sort();
  const forms = (value) => (typeof value === 'string' ? [value] : Object.values(value));
  for (const [language, texts] of Object.entries({ es, de, ar })) {
    assert.deepEqual(Object.keys(texts), Object.keys(en), language);
    const { pluralCategories } = new Intl.PluralRules(language).resolvedOptions();
    for (const [key, value] of Object.entries(texts)) {
      for (const form of forms(value)) assert.deepEqual(names(form), names(forms(en[key])[0]), `${language} ${key}`);
      if (typeof value === 'string') continue;
      // Spanish has "many" for millions, which nobody has unread.
      for (const category of pluralCategories) if (category !== 'many' || language === 'ar') assert.ok(value[category], `${language} ${key} lacks "${category}"`);
    }
  }
});

test('counts take the form of the language', () => {
  assert.equal(english.say('jumpToNew', { count: 1 }), '1 new message');
  assert.equal(english.say('jumpToNew', { count: 4 }), '4 new messages');
  const arabic = wordingFor('ar');
  assert.equal(arabic.direction, 'rtl');
  assert.equal(arabic.say('jumpToNew', { count: 2 }), 'رسالتان جديدتان');
  assert.match(arabic.say('jumpToNew', { count: 5 }), /رسائل/);
  assert.match(arabic.say('jumpToNew', { count: 11 }), /رسالة/);
});

test('a language that is not shipped speaks English; a text of the site replaces ours', () => {
  assert.equal(wordingFor('fr').texts.send, 'Send');
  assert.equal(wordingFor('not a tag').locale, 'en');
  assert.equal(wordingFor('de', { send: 'Ab damit' }).texts.send, 'Ab damit');
});

test('a refused file is refused with its type, or its size and the limit', () => {
  const refuse = (name, type, size) => refusal({ name, type, size }, DEFAULT_LIMITS, english);
  assert.match(refuse('shot.heic', 'image/heic', 10), /shot\.heic is of the type HEIC/);
  assert.match(refuse('big.jpg', 'image/jpeg', 12 * 1024 * 1024), /12 MB.*10 MB/);
  assert.match(refuse('empty.pdf', 'application/pdf', 0), /is empty/);
  assert.equal(refuse('film.mp4', 'video/mp4', 90 * 1024 * 1024), null);
  assert.equal(refuse('unknown', '', 1024), null, 'what the browser does not know, the server judges');
});

test('links show the host that browsers go to, and do not swallow the end of a sentence', () => {
  assert.equal(trimAddress('https://example.com/a.'), 'https://example.com/a');
  assert.equal(trimAddress('https://example.com/a_(b)'), 'https://example.com/a_(b)');
  assert.equal(trimAddress('https://example.com/a)'), 'https://example.com/a');
  assert.equal(shownAddress('https://user:secret@evil.example/paypal.com'), 'evil.example/paypal.com');
  assert.match(shownAddress('https://аpple.com/'), /^xn--/);
  assert.ok(shownAddress(`https://example.com/${'x'.repeat(200)}`).length <= 48);
  assert.equal(shownAddress('https://'), null);
});

test('a few emoji alone are large, numbers and words are not', () => {
  for (const text of ['👍', '👩‍👩‍👧‍👦 🇵🇹', '❤️']) assert.equal(isEmojiOnly(text), true, text);
  for (const text of ['1', 'ok 👍', '👍👍👍👍', '']) assert.equal(isEmojiOnly(text), false, text);
});

test('a picture without a size has a box of its own, and no box is larger than a bubble', () => {
  assert.deepEqual(boxOf(null, null), { width: 280, ratio: 4 / 3 });
  for (const [width, height] of [[4_000, 3_000], [300, 6_000], [9_000, 100], [10, 10]]) {
    const box = boxOf(width, height);
    assert.ok(box.width <= 320 && box.width >= 96 && box.width / box.ratio <= 361 && box.width / box.ratio >= 95, JSON.stringify(box));
  }
});

const row = (id, title = '') => ({ id, title, participants: [{ user: { name: `Nadia ${id}` } }], listing: { title: 'Ático en Málaga' }, lastMessage: 'Grüße', messages: [] });

test('a group\'s last message is told with the first name of who wrote it, and one\'s own with "You"', () => {
  const group = { isGroup: true, messages: [{ senderId: 'bea', sender: { name: 'Beatriz Almeida' }, content: ' It\nwas ', type: 'text' }] };
  assert.deepEqual(lastLine(group, 'me', english), { by: 'Beatriz:', text: 'It was' });
  assert.deepEqual(lastLine(group, 'bea', english), { by: 'You:', text: 'It was' });
  assert.deepEqual(lastLine({ ...group, isGroup: false }, 'me', english), { by: '', text: 'It was' });
});

test('rows stay in their places while a pointer is over the list, and new pages still come below', () => {
  const items = [row('new'), row('b'), row('a'), row('c')];
  assert.deepEqual(heldOrder(items, ['a', 'b', 'gone']).map(({ id }) => id), ['a', 'b', 'c']);
  assert.deepEqual(heldOrder(items, null), items);
});

test('a search finds names, listings and last messages without accents and in any order', () => {
  for (const query of ['nadia', 'MALAGA atico', 'gruße', '  ']) assert.equal(matches(row('x'), query), true, query);
  assert.equal(matches(row('x'), 'nadia lisbon'), false);
});

test('a burst of messages is read as one sentence, and typing at most once in 20 seconds', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
  const announcements = createAnnouncements((count) => `${count} new messages`);
  announcements.message('Ana: one');
  t.mock.timers.tick(1_000);
  assert.equal(announcements.spoken.get().polite, 'Ana: one');
  for (const text of ['two', 'three', 'four', 'five']) announcements.message(`Ana: ${text}`);
  t.mock.timers.tick(1_000);
  assert.equal(announcements.spoken.get().polite, '4 new messages');
  announcements.typing('ana', 'Ana is typing');
  announcements.polite('something else');
  t.mock.timers.tick(19_000);
  announcements.typing('ana', 'Ana is typing');
  assert.equal(announcements.spoken.get().polite, 'something else');
  t.mock.timers.tick(2_000);
  announcements.typing('ana', 'Ana is typing');
  assert.equal(announcements.spoken.get().polite, 'Ana is typing');
});

test('that somebody is typing is not said any more when they have stopped, and nothing else is taken back', () => {
  const announcements = createAnnouncements(String);
  announcements.typing('ana', 'Ana is typing');
  announcements.noTyping('Ana is typing');
  assert.equal(announcements.spoken.get().polite, '');
  announcements.polite('something else');
  announcements.noTyping('Ana is typing');
  assert.equal(announcements.spoken.get().polite, 'something else');
});

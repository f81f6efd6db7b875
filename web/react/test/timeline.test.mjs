// Reading: the message that is read stays where it is, and a long conversation is as quick as a short one.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { open, start, stop } from './support/playground.mjs';

before(start);
after(stop);

const history = (page) => page.locator('.db-history');
const rowCount = (page) => page.locator('[data-key]').count();
const distanceToEnd = (page) => history(page).evaluate((element) => element.scrollHeight - element.clientHeight - element.scrollTop);
const receive = (page, text) => page.evaluate((said) => window.client.receive('c-ana', said), text);

/** The message in the middle of the view, and where it is. */
const middle = (page) => history(page).evaluate((element) => {
  const view = element.getBoundingClientRect();
  const row = [...element.querySelectorAll('[data-key]')].find((candidate) => candidate.getBoundingClientRect().bottom > view.top + view.height / 2);
  return { key: row.dataset.key, top: row.getBoundingClientRect().top };
});
/** Turns the wheel over the messages, until something has come of it. */
async function wheel(page, by) {
  const before = await history(page).evaluate((element) => element.scrollTop);
  await history(page).hover();
  await page.mouse.wheel(0, by);
  await page.waitForFunction((position) => document.querySelector('.db-history').scrollTop !== position, before);
}
const topOf = (page, key) => page.locator(`[data-key="${key}"]`).evaluate((row) => row.getBoundingClientRect().top);

async function settled(page) {
  await page.waitForFunction(() => {
    const element = document.querySelector('.db-history');
    const state = `${element.scrollTop} ${element.scrollHeight} ${document.querySelectorAll('[data-key]').length}`;
    const images = [...element.querySelectorAll('.db-tile-picture')].every((image) => image.complete !== false);
    const isSame = window.lastState === state && images;
    window.lastState = state;
    return isSame;
  }, undefined, { polling: 120 });
}

test('twenty pages of mixed photos scroll back, and the message that is read stays put to a pixel', { timeout: 120_000 }, async (t) => {
  const page = await open(t, 'chat-photos');
  await settled(page);
  const loaded = () => page.evaluate(() => window.client.timeline('c-ana').state.get().messages.length);
  assert.equal(await loaded(), 50);
  await history(page).hover();
  // In each frame in which nobody turns the wheel, the message in the middle is compared with where it was.
  await page.evaluate(() => {
    const element = document.querySelector('.db-history');
    window.jumps = [];
    let known = null;
    let quietSince = performance.now();
    element.addEventListener('wheel', () => { quietSince = performance.now() + 80; known = null; }, { passive: true });
    const look = () => {
      requestAnimationFrame(look);
      if (performance.now() < quietSince) return;
      const view = element.getBoundingClientRect();
      if (known?.row.isConnected) window.jumps.push(Math.abs(known.row.getBoundingClientRect().top - known.top));
      const row = [...element.querySelectorAll('[data-key]')].find((candidate) => candidate.getBoundingClientRect().bottom > view.top + view.height / 2);
      known = row && { row, top: known?.row === row ? known.top : row.getBoundingClientRect().top };
    };
    look();
  });
  while ((await loaded()) < 1_050) {
    await page.mouse.wheel(0, -900);
    await page.waitForTimeout(160);
    assert.ok((await rowCount(page)) <= 120);
  }
  await settled(page);
  const jumps = await page.evaluate(() => window.jumps);
  t.diagnostic(`moved by ${Math.max(...jumps)} px at most, in ${jumps.length} frames`);
  assert.ok(jumps.length > 200 && Math.max(...jumps) <= 1, `moved by ${Math.max(...jumps)} px`);
});

test('at the end a new message comes into view; above it, nothing moves and a button counts', async (t) => {
  const page = await open(t, 'chat-unread');
  await page.getByRole('button', { name: /latest|new message/ }).click();
  await page.waitForFunction(() => { const element = document.querySelector('.db-history'); return element.scrollHeight - element.clientHeight - element.scrollTop < 2; });
  await receive(page, 'one that one sees');
  await page.getByText('one that one sees').waitFor();
  assert.ok((await distanceToEnd(page)) < 2);
  await wheel(page, -1_500);
  await settled(page);
  const reading = await middle(page);
  await receive(page, 'first below');
  await receive(page, 'second below');
  const button = page.getByRole('button', { name: '2 new messages' });
  await button.waitFor();
  assert.ok(Math.abs((await topOf(page, reading.key)) - reading.top) <= 1);
  await button.click();
  await page.getByText('second below').waitFor();
  await page.waitForFunction(() => !document.querySelector('.db-to-latest'));
  assert.ok((await distanceToEnd(page)) < 2);
  assert.equal(await page.locator('.db-new-line').count(), 1);
});

test('what grows or shrinks above the view without a word (a font that comes late) moves nothing', async (t) => {
  const page = await open(t, 'chat-unread');
  await settled(page);
  await wheel(page, 900);
  await settled(page);
  const reading = await middle(page);
  for (const height of [200, 90, 300, 0]) {
    await page.locator('[data-key]').first().evaluate((row, pixels) => { row.style.paddingBottom = `${pixels}px`; }, height);
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    const moved = Math.abs((await topOf(page, reading.key)) - reading.top);
    assert.ok(moved <= 1, `moved by ${moved} px at ${height}`);
  }
});

test('a conversation opens at its first unread message, under the "New" line', async (t) => {
  const page = await open(t, 'chat-unread');
  const line = page.locator('.db-new-line');
  await line.waitFor();
  await settled(page);
  const [top, view] = [await line.evaluate((element) => element.getBoundingClientRect().top), await history(page).evaluate((element) => element.getBoundingClientRect().top)];
  assert.ok(top - view > 0 && top - view < 140, `the line is ${top - view} px below the edge`);
  assert.match(await page.locator('[data-key]').evaluateAll((rows, edge) => rows.find((row) => row.getBoundingClientRect().top > edge).textContent, top), /70\. /);
});

test('a link right to a conversation opens it at the first unread message, too, and nothing is read before', async (t) => {
  const page = await open(t, 'chat-late');
  await settled(page);
  assert.ok((await distanceToEnd(page)) < 2);
  assert.equal(await page.evaluate(() => window.client.timeline('c-ana').readUpTo), 0);
  await page.evaluate(() => {
    const conversation = window.client.inbox.list.get().items.find(({ id }) => id === 'c-ana');
    window.client.timeline('c-ana').set({ conversation, firstUnreadSeq: 40, reads: { 'u-me': 39 } });
  });
  await page.waitForFunction(() => {
    const line = document.querySelector('.db-new-line')?.getBoundingClientRect().top;
    const view = document.querySelector('.db-history').getBoundingClientRect().top;
    return line > view && line < view + 140;
  });
  await page.waitForFunction(() => window.client.timeline('c-ana').readUpTo > 40);
  assert.ok((await page.evaluate(() => window.client.timeline('c-ana').readUpTo)) < 80);
});

test('what is unread is looked for before anything is shown or marked, and the button counts what is below, loaded or not', async (t) => {
  const page = await open(t, 'chat-far');
  await page.getByRole('status', { name: 'Loading…' }).waitFor();
  assert.equal(await rowCount(page), 0);
  assert.equal(await page.evaluate(() => window.client.timeline('c-ana').readUpTo), 0);
  await page.evaluate(() => window.client.timeline('c-ana').set({ isUnreadKnown: true, firstUnreadSeq: 26, reads: { 'u-me': 25 } }));
  await page.locator('.db-new-line').waitFor();
  await page.waitForFunction(() => window.client.timeline('c-ana').readUpTo > 25);
  assert.ok((await page.evaluate(() => window.client.timeline('c-ana').readUpTo)) < 50);
  await page.getByRole('button', { name: '900 new messages' }).waitFor();
  assert.ok((await distanceToEnd(page)) > 200);
});

test('the button at the lower end counts what one has not seen yet, and less while one reads on', async (t) => {
  const page = await open(t, 'chat-unread');
  await settled(page);
  const count = async () => Number(/^(\d+) new/.exec(await page.locator('.db-to-latest').textContent())?.[1] ?? 0);
  await page.waitForFunction(() => window.client.timeline('c-ana').readUpTo > 70);
  const left = () => page.evaluate(() => window.client.timeline('c-ana').state.get().messages.filter(({ seq, senderId }) => seq > window.client.timeline('c-ana').readUpTo && senderId !== 'u-me').length);
  const first = await count();
  assert.ok(first > 10 && first < 30, `${first}`);
  assert.equal(first, await left());
  await wheel(page, 700);
  await settled(page);
  assert.equal(await count(), await left());
  assert.ok((await count()) < first);
});

test('a conversation whose loaded part is replaced by a later one shows that', async (t) => {
  const page = await open(t, 'chat-unread');
  await settled(page);
  await page.evaluate(() => {
    const timeline = window.client.timeline('c-ana');
    timeline.set({ messages: timeline.state.get().messages.map((message) => ({ ...message, seq: message.seq + 5_000, key: `later-${message.seq}` })) });
  });
  await page.waitForFunction(() => [...document.querySelectorAll('[data-key]')].some(({ dataset }) => dataset.key === 'later-120'));
});

test('older messages that could not be loaded are asked for again by a button', async (t) => {
  const page = await open(t, 'chat-photos');
  await settled(page);
  await page.evaluate(() => {
    const timeline = window.client.timeline('c-ana');
    const { loadOlder } = timeline;
    timeline.loadOlder = async () => {
      timeline.loadOlder = loadOlder;
      timeline.set({ error: { code: 'NETWORK', message: 'The connection was lost.' } });
    };
  });
  await history(page).evaluate((element) => { element.scrollTop = 0; });
  const again = page.getByRole('button', { name: 'Try again' });
  await again.waitFor();
  const before = await page.evaluate(() => window.client.timeline('c-ana').state.get().messages.length);
  await again.click();
  await page.waitForFunction((count) => window.client.timeline('c-ana').state.get().messages.length > count, before);
});

test('a message is marked as read when it was on the screen of a page that has the focus, and not before', async (t) => {
  const page = await open(t, 'chat-unread');
  const readUpTo = () => page.evaluate(() => window.client.timeline('c-ana').readUpTo);
  await settled(page);
  await page.waitForFunction(() => window.client.timeline('c-ana').readUpTo > 70);
  assert.ok((await readUpTo()) < 100, 'what is below the view is unread');
  await page.evaluate(() => { Object.defineProperty(document, 'hasFocus', { value: () => false, configurable: true }); });
  const before = await readUpTo();
  await wheel(page, 4_000);
  await settled(page);
  assert.equal(await readUpTo(), before, 'nobody looks at a page without focus');
  await page.evaluate(() => {
    Object.defineProperty(document, 'hasFocus', { value: () => true, configurable: true });
    window.dispatchEvent(new Event('focus'));
  });
  await page.waitForFunction((mark) => window.client.timeline('c-ana').readUpTo > mark, before);
});

test('one\'s own message is there in the next frame, goes to the end, and is replaced in place by the server\'s answer', async (t) => {
  const page = await open(t, 'chat-photos');
  await settled(page);
  await wheel(page, -2_000);
  await settled(page);
  await page.getByRole('textbox').fill('Mine');
  const frames = await page.evaluate(() => new Promise((resolve) => {
    const field = document.querySelector('textarea');
    let count = 0;
    const look = () => {
      const mine = [...document.querySelectorAll('[data-mine]')].find((row) => row.textContent.includes('Mine'));
      if (mine && mine.getBoundingClientRect().bottom <= document.querySelector('.db-history').getBoundingClientRect().bottom + 1) {
        window.mine = mine;
        resolve(count);
      } else if (count > 30) resolve(Infinity);
      else {
        count += 1;
        requestAnimationFrame(look);
      }
    };
    requestAnimationFrame(() => {
      field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }));
      requestAnimationFrame(look);
    });
  }));
  assert.ok(frames <= 1, `it took ${frames} frames`);
  assert.equal(await page.getByRole('textbox').inputValue(), '');
  assert.equal(await page.evaluate(() => document.activeElement.tagName), 'TEXTAREA');
  const row = page.locator('[data-mine]', { hasText: 'Mine' });
  await page.waitForFunction(() => window.mine.dataset.status === 'sent');
  assert.ok(await page.evaluate(() => window.mine.isConnected), 'it is the same element');
  assert.equal(await row.count(), 1);
});

test('50,000 messages: few rows in the document, and no task over 50 ms while scrolling', { timeout: 90_000 }, async (t) => {
  const page = await open(t, 'chat-long', { motion: 'no-preference' });
  await settled(page);
  const session = await page.context().newCDPSession(page);
  const events = [];
  session.on('Tracing.dataCollected', ({ value }) => events.push(...value));
  await session.send('Tracing.start', { traceConfig: { includedCategories: ['toplevel', 'devtools.timeline'] }, transferMode: 'ReportEvents' });
  await history(page).hover();
  let most = 0;
  for (let turn = 0; turn < 60; turn += 1) {
    await page.mouse.wheel(0, turn < 40 ? -1_400 : 1_400);
    await page.waitForTimeout(50);
    if (turn % 10 === 0) most = Math.max(most, await page.locator('.db-history *').count());
    if (turn % 15 === 5) await receive(page, `news ${turn}`);
  }
  const done = new Promise((resolve) => session.once('Tracing.tracingComplete', resolve));
  await session.send('Tracing.end');
  await done;
  const main = events.find(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain');
  const tasks = events.filter(({ name, tdur, pid, tid }) => tdur && /RunTask/.test(name) && pid === main.pid && tid === main.tid);
  // The thread's own time: on a machine that does other things as well, the clock counts those, too.
  const longest = Math.max(...tasks.map(({ tdur }) => tdur)) / 1_000;
  const byClock = Math.max(...tasks.map(({ dur }) => dur)) / 1_000;
  t.diagnostic(`longest of ${tasks.length} tasks ${longest.toFixed(1)} ms (${byClock.toFixed(1)} ms by the clock); at most ${most} elements, ${await rowCount(page)} rows`);
  assert.ok(tasks.length > 200, 'the trace has tasks');
  assert.ok(longest < 50, `a task took ${longest} ms`);
  assert.ok(most < 2_500 && (await rowCount(page)) <= 120);
  assert.ok((await page.locator('[data-key]').first().textContent()).length > 0);
});

test('a row that is shown stays the same element while others come and go around it', async (t) => {
  const page = await open(t, 'chat-long');
  await settled(page);
  await wheel(page, -900);
  await settled(page);
  const before = await page.evaluate(() => { window.rows = [...document.querySelectorAll('[data-key]')]; return window.rows[0].dataset.key; });
  await wheel(page, -900);
  await page.waitForFunction((key) => document.querySelector('[data-key]').dataset.key !== key, before);
  const kept = await page.evaluate(() => window.rows.filter((row) => row.isConnected).length);
  assert.ok(kept >= 40, `${kept} are the same`);
});

test('whoever reads a row by keyboard keeps the focus when that row is no longer shown', async (t) => {
  const page = await open(t, 'chat-long');
  await settled(page);
  await history(page).focus();
  await page.keyboard.press('ArrowUp');
  assert.equal(await page.evaluate(() => document.activeElement.dataset.key !== undefined), true);
  await history(page).evaluate(async (element) => {
    for (let turn = 0; turn < 12; turn += 1) {
      element.scrollTop = 0;
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
  });
  await settled(page);
  assert.ok(await page.evaluate(() => document.querySelector('.db-history').contains(document.activeElement)));
});

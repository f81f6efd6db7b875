// Lists, popup, pictures, and what is read out: by keyboard and by hand.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { open, start, stop } from './support/playground.mjs';

before(start);
after(stop);

const PHONE = { width: 390, height: 780, hasTouch: true, isMobile: true };
const focused = (page) => page.evaluate(() => document.activeElement.closest('[aria-label], .db-row, button')?.textContent ?? '');
const rows = (page) => page.locator('.db-row');
const names = (page) => page.locator('.db-row-name').allTextContents();
const touch = (page, id, minutes = 0) => page.evaluate(({ which, at }) => {
  const { items } = window.client.inbox.list.get();
  const item = { ...items.find((one) => one.id === which), lastMessageAt: new Date(Date.now() - at * 60_000).toISOString(), unreadCount: 3 };
  window.client.setInbox({ items: [item, ...items.filter((one) => one.id !== which)] });
}, { which: id, at: minutes });

test('the way from a listing to a sent message, a photo and back, by keyboard alone', async (t) => {
  const page = await open(t, 'page');
  await page.keyboard.press('Tab');
  assert.equal(await focused(page), 'Contact owner');
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Messages' });
  await dialog.waitFor();
  await page.waitForFunction(() => document.activeElement.tagName === 'TEXTAREA');
  await page.keyboard.press('Shift+Tab');
  await page.keyboard.press('Shift+Tab');
  assert.equal(await focused(page), 'What is included in the price?');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.activeElement.value === 'What is included in the price?');
  await page.keyboard.press('Enter');
  await dialog.locator('[data-mine]', { hasText: 'What is included' }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.tagName), 'TEXTAREA');
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  assert.equal(await focused(page), 'Contact owner', 'the focus is back on what opened the popup');
});

test('arrows move through the list, Enter opens, and one Tab leads on to the chat', async (t) => {
  const page = await open(t, 'both');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  assert.match(await focused(page), /^Ana Sousa/);
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  assert.match(await focused(page), /^Ben Okafor/);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Ben Okafor' }).waitFor();
  assert.equal(await page.locator('.db-row[aria-current="true"] .db-row-name').textContent(), 'Ben Okafor');
  await page.keyboard.press('Tab');
  assert.ok(await page.evaluate(() => document.querySelector('.db-chat').contains(document.activeElement)));
});

test('arrows move through messages; the photo of the message with the focus opens, and closing goes back to it', async (t) => {
  const page = await open(t, 'chat');
  await page.locator('.db-history').focus();
  const photo = () => page.evaluate(() => document.activeElement.matches('[data-key]:has(.db-tile)'));
  for (let step = 0; step < 20 && !(await photo()); step += 1) await page.keyboard.press('ArrowUp');
  assert.ok(await photo());
  assert.ok(await page.locator('li:focus .db-when').isVisible(), 'the exact time is shown');
  await page.keyboard.press('Tab');
  const opener = await page.evaluate(() => document.activeElement.getAttribute('aria-label'));
  assert.match(opener, /^Open photo from Ana Sousa, \d\d:\d\d$/);
  await page.keyboard.press('Enter');
  const lightbox = page.getByRole('dialog', { name: 'Photos and videos' });
  await lightbox.waitFor();
  const position = () => lightbox.locator('.db-lightbox-position').textContent();
  assert.equal(await position(), '3 / 6');
  await page.keyboard.press('ArrowRight');
  assert.equal(await position(), '4 / 6');
  await page.keyboard.press('End');
  await page.keyboard.press('ArrowRight');
  assert.equal(await position(), '6 / 6');
  for (let step = 0; step < 8; step += 1) {
    await page.keyboard.press('Tab');
    assert.ok(await page.evaluate(() => document.activeElement.closest('dialog') !== null), 'the focus stays inside');
  }
  await page.keyboard.press('Escape');
  await lightbox.waitFor({ state: 'detached' });
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), opener);
});

test('in a lightbox over the popup, Escape closes the lightbox alone', async (t) => {
  const page = await open(t, 'page');
  await page.evaluate(() => sessionStorage.setItem('doorbell:popup', JSON.stringify({ isOpen: true, conversationId: 'c-ana' })));
  await page.reload();
  const popup = page.getByRole('dialog', { name: 'Messages' });
  await popup.waitFor();
  await popup.getByRole('button', { name: /^Open photo/ }).last().click();
  const lightbox = page.getByRole('dialog', { name: 'Photos and videos' });
  await lightbox.waitFor();
  await page.keyboard.press('Escape');
  await lightbox.waitFor({ state: 'detached' });
  assert.ok(await popup.isVisible());
  await popup.getByRole('textbox').focus();
  await page.keyboard.press('Escape');
  await popup.waitFor({ state: 'detached' });
});

test('a swipe of 50 pixels turns to the next picture, a shorter one does not, and two fingers zoom', async (t) => {
  const page = await open(t, 'chat', PHONE);
  await page.getByRole('button', { name: /^Open photo/ }).nth(1).tap();
  const position = page.locator('.db-lightbox-position');
  await position.waitFor();
  const first = Number((await position.textContent()).split(' ')[0]);
  const session = await page.context().newCDPSession(page);
  const fingers = async (...steps) => {
    for (const [index, points] of steps.entries()) await session.send('Input.dispatchTouchEvent', { type: index === 0 ? 'touchStart' : 'touchMove', touchPoints: points.map(([x, y], id) => ({ x, y, id })) });
    await session.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
  };
  await fingers([[250, 400]], [[225, 402]], [[210, 402]]);
  assert.equal(Number((await position.textContent()).split(' ')[0]), first);
  await fingers([[250, 400]], [[220, 402]], [[190, 402]]);
  await page.waitForFunction((before) => Number(document.querySelector('.db-lightbox-position').textContent.split(' ')[0]) === before + 1, first);
  await page.locator('.db-lightbox-picture').waitFor();
  await fingers([[180, 400], [210, 400]], [[140, 400], [250, 400]], [[120, 400], [270, 400]]);
  assert.match(await page.locator('.db-lightbox-picture').evaluate((picture) => picture.style.transform), /scale\([2-6]/);
});

test('the popup is open again after a reload, takes the screen of a phone, and no more than 400 by 640 elsewhere', async (t) => {
  const page = await open(t, 'page');
  await page.getByRole('button', { name: 'Ask Ben' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.waitFor();
  const box = await dialog.boundingBox();
  assert.ok(box.width <= 400 && box.height <= 640);
  assert.ok(await page.getByRole('heading', { name: 'Two listings' }).isVisible());
  assert.equal(await dialog.evaluate((element) => element.matches(':modal')), false);
  await page.reload();
  await dialog.waitFor();
  await page.getByRole('button', { name: 'Close chat' }).click();
  await page.reload();
  await page.getByRole('button', { name: 'Ask Ben' }).waitFor();
  assert.equal(await dialog.count(), 0);

  const phone = await open(t, 'page', PHONE);
  await phone.getByRole('button', { name: 'Contact owner' }).tap();
  await phone.getByRole('dialog').waitFor();
  await phone.waitForFunction(() => document.querySelector('dialog').getAnimations().length === 0);
  assert.deepEqual(await phone.getByRole('dialog').boundingBox(), { x: 0, y: 0, width: 390, height: 780 });
  assert.equal(await phone.getByRole('dialog').evaluate((element) => element.matches(':modal')), true);
});

test('a popup that another person has left open in the tab is closed', async (t) => {
  const page = await open(t, 'page');
  await page.evaluate(() => sessionStorage.setItem('doorbell:popup', JSON.stringify({ isOpen: true, conversationId: 'c-ana', userId: 'somebody-else' })));
  await page.reload();
  await page.getByRole('button', { name: 'Contact owner' }).waitFor();
  await page.waitForFunction(() => JSON.parse(sessionStorage.getItem('doorbell:popup')).isOpen === false);
  assert.equal(await page.getByRole('dialog').count(), 0);
});

test('who is elsewhere is notified once for each conversation, when typing has stopped; who is here is not', async (t) => {
  const page = await open(t, 'both');
  await page.evaluate(() => {
    window.shown = [];
    window.Notification = class { static permission = 'granted'; constructor(title, options) { window.shown.push({ title, ...options, at: performance.now() }); } close() {} };
    window.client.receive('c-ana', 'seen at once');
  });
  await page.waitForFunction(() => document.querySelector('[aria-live="polite"]').textContent.includes('seen at once'));
  const typed = await page.evaluate(() => {
    Object.defineProperty(document, 'hasFocus', { value: () => false, configurable: true });
    for (const text of ['one', 'two', 'three']) window.client.receive('c-ana', text);
    window.client.emit('typing', { conversationId: 'c-ana', userId: 'u-ana', user: null, isTyping: true });
    return performance.now();
  });
  await page.waitForTimeout(1_000);
  assert.deepEqual(await page.evaluate(() => window.shown), []);
  await page.evaluate(() => window.client.emit('typing', { conversationId: 'c-ana', userId: 'u-ana', user: null, isTyping: false }));
  await page.waitForFunction(() => window.shown.length > 0);
  const [notification, ...more] = await page.evaluate(() => window.shown);
  assert.equal(more.length, 0);
  assert.equal(notification.title, 'Ana Sousa');
  assert.equal(notification.body, '3 new messages');
  assert.ok(notification.at - typed >= 1_000);
});

test('a conversation that cannot be opened says why, beside the button and aloud', async (t) => {
  const page = await open(t, 'page-broken');
  await page.getByRole('button', { name: 'Contact owner' }).click();
  await page.locator('.db-contact-problem').waitFor();
  assert.equal(await page.getByRole('alert').textContent(), 'The conversation could not be opened. The server cannot be reached.');
});

test('5,000 conversations: few rows in the document, all reachable', async (t) => {
  const page = await open(t, 'inbox-many');
  await rows(page).first().waitFor();
  assert.ok((await rows(page).count()) < 40);
  await rows(page).first().focus();
  await page.keyboard.press('End');
  await page.getByRole('button', { name: /^Emre Yıldız 5000/ }).waitFor();
  assert.match(await focused(page), /^Emre Yıldız 5000/);
  assert.ok((await rows(page).count()) < 40);
  await page.getByRole('searchbox').fill('chloe 1003');
  await page.waitForFunction(() => document.querySelectorAll('.db-row').length === 1);
  assert.deepEqual(await names(page), ['Chloé Martin 1003']);
  await page.getByRole('searchbox').fill('nobody of that name');
  await page.getByText('Nothing found for “nobody of that name”.').waitFor();
});

test('a row says who wrote last, "You" of oneself, and counts to 99', async (t) => {
  const page = await open(t, 'inbox');
  const row = (id) => page.locator(`[data-conversation="${id}"]`);
  assert.equal(await row('c-ben').locator('.db-row-last').textContent(), 'You: Thank you! Is the deposit one month or two?');
  assert.equal(await row('c-group').locator('.db-row-by').textContent(), 'Ben: ');
  assert.equal(await row('c-chloe').locator('.db-row-last').textContent(), 'Photo');
  assert.equal(await row('c-dario').locator('.db-badge').textContent(), '99+');
  assert.match(await row('c-dario').textContent(), /120 unread/, 'in words it is told exactly');
});

test('no row moves while the pointer is over the list; what is new shows in its row', async (t) => {
  const page = await open(t, 'inbox');
  const before = await names(page);
  await rows(page).nth(1).hover();
  await touch(page, 'c-dario');
  await page.locator('[data-conversation="c-dario"] .db-badge', { hasText: /^3$/ }).waitFor();
  assert.deepEqual(await names(page), before);
  await page.getByRole('searchbox').hover();
  await page.waitForFunction(() => document.querySelector('.db-row-name').textContent === 'Darío Ruiz');
});

test('the unread count is in the title of the page, also after the site has changed its title', async (t) => {
  const page = await open(t, 'inbox');
  await page.waitForFunction(() => document.title === '(99+) Doorbell components');
  await page.evaluate(() => { document.title = 'Another page'; });
  await page.waitForFunction(() => document.title === '(99+) Another page');
  await page.evaluate(() => window.client.setInbox({ items: window.client.inbox.list.get().items.map((item) => ({ ...item, unreadCount: 0 })) }));
  await page.waitForFunction(() => document.title === 'Another page');
});

test('one polite voice reads messages, bursts as one sentence; the list itself is silent', async (t) => {
  const page = await open(t, 'chat');
  assert.equal(await page.getByRole('log').getAttribute('aria-live'), 'off');
  assert.equal(await page.locator('[aria-live="polite"]').count(), 1);
  const voice = page.locator('[aria-live="polite"]');
  await page.evaluate(() => window.client.receive('c-ana', 'See you there'));
  await page.waitForFunction(() => document.querySelector('[aria-live="polite"]').textContent === 'Ana Sousa: See you there');
  await page.evaluate(() => { for (const text of ['a', 'b', 'c', 'd']) window.client.receive('c-ana', text); });
  await page.waitForFunction(() => document.querySelector('[aria-live="polite"]').textContent === '4 new messages');
  assert.equal(await voice.count(), 1);
});

test('a lost connection is told after three seconds, goes by itself, and nothing moves for typing', async (t) => {
  const page = await open(t, 'chat');
  await page.locator('[data-key]').first().waitFor();
  await page.evaluate(() => window.client.setConnection({ status: 'offline', since: Date.now() }));
  assert.equal(await page.locator('.db-connection').count(), 0);
  await page.getByText('No connection. Your messages are kept').waitFor({ timeout: 6_000 });
  await page.getByRole('textbox').fill('still writing');
  await page.evaluate(() => window.client.setConnection({ status: 'online', since: Date.now() }));
  await page.locator('.db-connection').waitFor({ state: 'detached' });
  const messages = () => page.locator('.db-timeline').boundingBox();
  const before = await messages();
  await page.evaluate(() => window.client.timeline('c-ana').set({ typing: [{ id: 'u-ana', name: 'Ana Sousa' }] }));
  await page.getByText('Ana Sousa is typing…').first().waitFor();
  assert.deepEqual(await messages(), before);
});

test('while attempts fail one bar stays, says when the next one is, and goes when there is a connection', async (t) => {
  const page = await open(t, 'chat');
  const lost = await page.evaluate(() => Date.now() - 2_500);
  const connection = (status, retryIn) => page.evaluate(({ state, wait, since }) => window.client.setConnection({ status: state, since, ...(wait && { retryAt: Date.now() + wait }) }), { state: status, wait: retryIn, since: lost });
  await connection('offline', 9_000);
  const bar = page.locator('.db-connection');
  await bar.getByText(/Next attempt in \d+ sec/).waitFor({ timeout: 2_000 });
  const first = Number(/in (\d+) sec/.exec(await bar.textContent())[1]);
  await page.waitForFunction((before) => Number(/in (\d+) sec/.exec(document.querySelector('.db-connection').textContent)?.[1]) < before, first);
  await bar.evaluate((element) => { window.bar = element; });
  for (const state of ['connecting', 'offline', 'connecting']) {
    await connection(state, state === 'offline' && 4_000);
    await page.waitForFunction((wanted) => document.querySelector('.db-connection')?.dataset.status === wanted, state);
    assert.ok(await page.evaluate(() => window.bar.isConnected), 'it is the same bar');
  }
  await page.evaluate(() => window.client.setConnection({ status: 'online', since: Date.now() }));
  await bar.waitFor({ state: 'detached' });
});

test('a conversation that does not exist says so, and offers no field to write in', async (t) => {
  const page = await open(t, 'chat-not-found');
  await page.getByText('There is no such conversation, or it is not yours.').waitFor();
  assert.equal(await page.getByRole('textbox').count(), 0);
  const malformed = await open(t, 'chat-malformed');
  await malformed.getByText('There is no such conversation, or it is not yours.').waitFor();
  assert.equal(await malformed.getByRole('textbox').count(), 0);
  assert.equal(await malformed.getByRole('button', { name: 'Try again' }).count(), 0, 'it would not help');
  const unreachable = await open(t, 'chat-error');
  await unreachable.getByText('The server cannot be reached.').waitFor();
  assert.equal(await unreachable.getByRole('textbox').count(), 1, 'what is written while the server is away is kept');
});

test('a popup that is open again after a reload does not take the focus', async (t) => {
  const page = await open(t, 'page');
  await page.getByRole('button', { name: 'Contact owner' }).click();
  await page.waitForFunction(() => document.activeElement.tagName === 'TEXTAREA');
  await page.reload();
  await page.getByRole('dialog').getByRole('textbox').waitFor();
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  assert.equal(await page.evaluate(() => document.activeElement.tagName), 'BODY');
});

test('going back to the list leads to the row of the conversation that one has left', async (t) => {
  const page = await open(t, 'page');
  await page.evaluate(() => sessionStorage.setItem('doorbell:popup', JSON.stringify({ isOpen: true, conversationId: 'c-ben' })));
  await page.reload();
  await page.getByRole('button', { name: 'Back to all conversations' }).focus();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.activeElement.dataset.conversation === 'c-ben');
});

test('a lightbox begins on Close', async (t) => {
  const page = await open(t, 'chat');
  await page.getByRole('button', { name: /^Open photo/ }).last().click();
  await page.locator('.db-lightbox').waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), 'Close');
});

test('five photos leave no cell empty, and addresses without a scheme are links', async (t) => {
  const page = await open(t, 'chat-five');
  const tiles = await page.locator('.db-media .db-tile').evaluateAll((all) => all.map((tile) => tile.getBoundingClientRect().width));
  const grid = await page.locator('.db-media').evaluate((element) => element.getBoundingClientRect().width);
  assert.equal(tiles.length, 5);
  assert.ok(tiles[0] > grid * 0.9 && tiles.slice(1).every((width) => width < grid * 0.6), `${tiles} in ${grid}`);
  const links = page.locator('.db-text a');
  assert.equal(await links.count(), 1, 'an e-mail address is none');
  assert.equal(await links.getAttribute('href'), 'https://www.example.com/plan');
});

test('a long name in Arabic is cut at its end, and stands where names stand', async (t) => {
  const page = await open(t, 'chat', { width: 390 });
  const name = page.locator('.db-header-name');
  await page.evaluate(() => { document.querySelector('.db-header-name').textContent = 'عبد الرحمن بن محمد الأنصاري المعروف بأبي يوسف الطنجاوي صاحب الدار'; });
  assert.deepEqual(await name.evaluate((element) => [getComputedStyle(element).direction, getComputedStyle(element).textAlign]), ['rtl', 'left']);
});

test('a contact button without an owner is not there, and the developer is told', async (t) => {
  const page = await open(null, 'page');
  const warnings = [];
  page.on('console', (message) => message.type() === 'warning' && warnings.push(message.text()));
  await page.goto(`${page.url()}&broken`);
  await page.getByRole('button', { name: 'Ask Ben' }).waitFor();
  assert.equal(await page.getByRole('button', { name: 'Ask nobody' }).count(), 0);
  assert.match(warnings.join(), /<ContactOwner> shows nothing: give it listingId and ownerId/);
  await page.context().close();
});

test('on a touch screen what is pressed has 44 pixels', async (t) => {
  for (const state of ['chat', 'inbox', 'chat-new', 'chat-far', 'chat-refused-file', 'chat-group', 'page']) {
    const page = await open(t, state, PHONE);
    const small = await page.locator('button:visible, input:visible, textarea:visible, .db-file:visible').evaluateAll((all) => all
      .map((element) => [element.getAttribute('aria-label') ?? element.textContent, element.getBoundingClientRect().height]).filter(([, height]) => height < 43.5));
    assert.deepEqual(small, [], state);
  }
});

test('a mouse that drags beside the picture turns it, and a click there closes', async (t) => {
  const page = await open(t, 'chat');
  await page.getByRole('button', { name: /^Open photo/ }).nth(2).click();
  const position = page.locator('.db-lightbox-position');
  await position.waitFor();
  const before = await position.textContent();
  await page.mouse.move(150, 400);
  await page.mouse.down();
  await page.mouse.move(60, 402, { steps: 4 });
  await page.mouse.up();
  await page.waitForFunction((text) => document.querySelector('.db-lightbox-position').textContent !== text, before);
  await page.mouse.click(20, 300);
  await position.waitFor({ state: 'detached' });
});

test('a reader of a group sees who has read a message when asking', async (t) => {
  const page = await open(t, 'chat-group');
  await page.getByRole('button', { name: 'Read by 2 people' }).last().click();
  await page.getByText('Read by Ben Okafor and Chloé Martin').waitFor();
});

test('links open elsewhere without telling from where, and show their host', async (t) => {
  const page = await open(t, 'chat-group');
  const link = page.locator('.db-text a').first();
  assert.equal(await link.getAttribute('rel'), 'noopener noreferrer nofollow');
  assert.equal(await link.getAttribute('target'), '_blank');
  assert.match(await link.textContent(), /^example\.com\//);
});

test('at 320 pixels, and at 400 percent, nothing has to be scrolled sideways', async (t) => {
  for (const state of ['chat', 'inbox', 'chat-new', 'chat-failed', 'chat-offline', 'chat-uploading', 'page']) {
    const page = await open(t, state, { width: 320, height: 256 });
    await page.waitForTimeout(150);
    const wide = await page.evaluate(() => [document.documentElement, ...document.querySelectorAll('.db-history, .db-inbox-scroller, .db-composer, .db-header')]
      .filter((element) => element.scrollWidth > element.clientWidth + 1).map((element) => `${element.className} ${element.scrollWidth}`));
    assert.deepEqual(wide, [], state);
    const room = await page.locator('.db-timeline').evaluateAll(([timeline]) => timeline?.getBoundingClientRect().height ?? Infinity);
    if (state === 'chat') assert.ok(room >= 128, `${room} of 256 px are left for the messages`);
  }
});

/** Another listing for the open conversation. */
const about = (page, listing) => page.evaluate((part) => {
  const timeline = window.client.timeline('c-ana');
  const { conversation } = timeline.state.get();
  timeline.set({ conversation: { ...conversation, listing: { ...conversation.listing, ...part } } });
}, listing);

/** Where characters of an element's text stand. */
const placeOf = (locator, from, to) => locator.evaluate((element, [start, end]) => {
  const range = document.createRange();
  const text = document.createTreeWalker(element, NodeFilter.SHOW_TEXT).nextNode();
  range.setStart(text, start);
  range.setEnd(text, end ?? text.length);
  const { left, right } = range.getBoundingClientRect();
  return { left, right };
}, [from, to]);

test('beside a long title the header still says whether the other person is there, and shows where the title begins', async (t) => {
  const title = 'Sunny two-bedroom flat with a terrace over the river, near the market';
  for (const locale of ['en', 'ar']) {
    const page = await open(t, 'chat', { width: 360, query: { locale } });
    await about(page, { title });
    const line = page.locator('.db-header-about');
    await line.getByText(title).waitFor();
    const { x, width } = await line.boundingBox();
    assert.equal(await page.locator('.db-header-presence').evaluate((element) => element.scrollWidth - element.clientWidth), 0, `${locale}: nothing of it is cut off`);
    const presence = await placeOf(page.locator('.db-header-presence'), 0);
    assert.ok(presence.left >= x - 1 && presence.right <= x + width + 1, `${locale}: ${JSON.stringify(presence)} in ${x} to ${x + width}`);
    const beginning = await placeOf(line, 0, 5);
    assert.ok(beginning.left >= x - 1 && beginning.right <= x + width + 1, `${locale}: the title begins at ${beginning.left}, the line at ${x}`);
  }
});

test('title and price of a listing start on the same side, and no price is turned around', async (t) => {
  const page = await open(t, 'chat-new', { query: { locale: 'ar' } });
  await about(page, { title: 'Loft', price: '+1,200 EUR a month' });
  await page.locator('.db-listing-price').getByText('+1,200 EUR a month').waitFor();
  const [title, price] = [await placeOf(page.locator('.db-listing-title'), 0), await placeOf(page.locator('.db-listing-price'), 0)];
  assert.ok(Math.abs(title.right - price.right) < 1, `${title.right} and ${price.right}`);
  const plus = await placeOf(page.locator('.db-listing-price'), 0, 1);
  assert.ok(Math.abs(plus.left - price.left) < 1, 'the sign stands before the number');
});

test('words without an end do not widen a suggestion or the question about notifications', async (t) => {
  const page = await open(t, 'chat-new', { width: 360 });
  const word = 'Wohnungsbesichtigungstermin'.repeat(6);
  await page.evaluate(() => Object.defineProperty(window, 'Notification', { value: class { static permission = 'default'; }, configurable: true }));
  await about(page, { title: word });
  await page.getByRole('button', { name: word }).waitFor();
  await page.getByRole('textbox').fill('Hello');
  const fits = (selector) => page.locator(selector).evaluateAll((all) => all.map((element) => [element.scrollWidth - element.clientWidth, element.getBoundingClientRect().right - element.closest('.db-chat').getBoundingClientRect().right]));
  for (const [over, beyond] of await fits('.db-suggestion')) assert.ok(over <= 0 && beyond <= 0, `a suggestion: ${over}, ${beyond}`);
  await page.evaluate((name) => {
    const timeline = window.client.timeline('c-ana');
    const { conversation } = timeline.state.get();
    timeline.set({ conversation: { ...conversation, participants: conversation.participants.map((one) => (one.userId === 'u-ana' ? { ...one, user: { ...one.user, name } } : one)) } });
  }, word);
  await page.getByRole('textbox').press('Enter');
  await page.locator('.db-ask-text').waitFor();
  const [[over, beyond]] = await fits('.db-ask-text');
  assert.ok(over <= 0 && beyond <= 0, `the question: ${over}, ${beyond}`);
});

test('closing a popup that takes the whole screen leads back to what opened it', async (t) => {
  for (const path of ['', 'preact/index.html']) {
    for (const close of ['Escape', 'button']) {
      const page = await open(t, 'page', { width: 380, height: 700, path });
      const button = page.getByRole('button', { name: 'Contact owner' });
      await button.focus();
      await page.keyboard.press('Enter');
      const dialog = page.getByRole('dialog');
      await dialog.getByRole('textbox').waitFor();
      await page.waitForFunction(() => document.activeElement?.matches('dialog textarea'));
      if (close === 'button') await dialog.getByRole('button', { name: 'Close chat' }).click();
      else await page.keyboard.press(close);
      await dialog.waitFor({ state: 'detached' });
      assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Contact owner', `${path} ${close}`);
    }
  }
});

test('the voice forgets who was typing as soon as the line is gone', async (t) => {
  const page = await open(t, 'chat-typing');
  const voice = page.locator('[aria-live=polite]');
  await voice.getByText('Ana Sousa is typing').waitFor({ state: 'attached' });
  await page.evaluate(() => window.client.timeline('c-ana').set({ typing: [] }));
  await page.waitForFunction(() => document.querySelector('[aria-live=polite]').textContent === '', undefined, { timeout: 3_000 });
});

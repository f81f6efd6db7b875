// The pages in each language that they speak.
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { API_KEY, Doorbell, JWT_SECRET } from '../../tests/clients/support/doorbell.mjs';
import { newBrowser, open, overflow } from './support/browser.mjs';
import { bubble, conversationOf, demo, eventually, row, test } from './support/stage.mjs';
import { states } from './support/states.mjs';

const server = await demo();
const loft = await conversationOf(server, 'mira', 'canal-loft');
const STATES = states(loft);
/** Names, and what is on offer, are as their people wrote them. */
const NAMES = /\b(Latchkey|Doorbell|Larkhaven|Mira|Okafor|Beatriz|Almeida|Tomas|Lindqvist|Greta|Novak|Omar|Haddad|Priya|Raman|Sam|Whitlock|Yuki|Tanaka)\b/g;
const { listing } = await (await fetch(`${server.url}/api/demo/listings/canal-loft`)).json();
const CONTENT = ['Market Square summer party', ...listing.images.map(({ description }) => description), listing.title.split(',')[0]];

const root = (page) => page.evaluate(() => {
  const { lang, dir } = document.documentElement;
  const chat = document.querySelector('.db-root');
  return { lang, dir, ...(chat && { chat: `${chat.lang.split('-')[0]} ${chat.dir}` }) };
});

/** Latin words that the page itself shows or has for screen readers: not what is marked as English, nor what people wrote. */
const latin = (page) => page.evaluate(() => {
  const found = [document.title];
  const isOthers = (element) => element.closest('[lang="en"], bdi, option, code, .db-message, noscript') !== null;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (node.nodeType === Node.TEXT_NODE) {
      if (!isOthers(node.parentElement)) found.push(node.data);
    } else if (!isOthers(node)) {
      for (const name of ['aria-label', 'title', 'placeholder', 'alt']) if (node.hasAttribute(name)) found.push(node.getAttribute(name));
    }
  }
  return found.filter((text) => /[A-Za-z]{2}/.test(text));
});

test('in Arabic every page runs from right to left, says nothing in English, and fits on a phone', { timeout: 120_000 }, async (t) => {
  const faults = {};
  for (const { name, path, reach } of STATES) {
    const browser = await newBrowser(t, { width: 320, height: 640, hasTouch: true, allowed: [/status of 404/] });
    await browser.addInitScript(() => location.protocol === 'http:' && localStorage.setItem('latchkey:locale', 'ar'));
    const page = await browser.newPage();
    await page.goto(server.url + path);
    await reach(page);
    const { lang, dir, chat } = await root(page);
    const wide = await overflow(page);
    let words;
    // The title is the page's a moment after the header is there.
    await eventually(name, async () => {
      words = (await latin(page)).filter((text) => /[A-Za-z]{2}/.test(CONTENT.reduce((rest, content) => rest.replace(content, ''), text).replace(NAMES, '')));
      return words.length === 0;
    }, 2000).catch(() => {});
    if (lang !== 'ar' || dir !== 'rtl' || (chat && chat !== 'ar rtl') || wide > 0 || words.length > 0) faults[name] = { lang, dir, chat, wide, words };
    await page.close();
  }
  assert.deepEqual(faults, {});
});

test('in German, whose words are long, every page fits on a small phone', { timeout: 120_000 }, async (t) => {
  const wide = {};
  for (const { name, path, reach } of STATES) {
    const browser = await newBrowser(t, { width: 320, height: 640, hasTouch: true, allowed: [/status of 404/] });
    await browser.addInitScript(() => location.protocol === 'http:' && localStorage.setItem('latchkey:locale', 'de'));
    const page = await browser.newPage();
    await page.goto(server.url + path);
    await reach(page);
    assert.equal((await root(page)).lang, 'de', name);
    const pixels = await overflow(page);
    if (pixels > 0) wide[name] = pixels;
    await page.close();
  }
  assert.deepEqual(wide, {});
});

test('a language is chosen in the menu, and page and chat change to it at once', async (t) => {
  const page = await open(t, `${server.url}/messages?as=mira`);
  await row(page, 'Tomas Lindqvist').first().waitFor();
  assert.deepEqual(await root(page), { lang: 'en-GB', dir: 'ltr', chat: 'en ltr' });
  for (const [tag, dir, heading] of [['es', 'ltr', 'Mensajes'], ['de', 'ltr', 'Nachrichten'], ['ar', 'rtl', 'الرسائل'], ['en-GB', 'ltr', 'Messages']]) {
    await page.locator('header button[popovertarget]').click();
    await page.locator('header select').selectOption(tag);
    await page.getByRole('heading', { level: 1, name: heading }).waitFor();
    assert.deepEqual(await root(page), { lang: tag, dir, chat: `${tag.split('-')[0]} ${dir}` });
    assert.match(await page.title(), new RegExp(`${heading} · Latchkey$`));
    await page.keyboard.press('Escape');
  }
  await page.locator('header button[popovertarget]').click();
  await page.locator('header select').selectOption('ar');
  await page.getByRole('heading', { level: 1, name: 'الرسائل' }).waitFor();
  const mark = await page.locator('header a').first().boundingBox();
  assert.ok(mark.x > 640, 'the page begins at the right');
  await page.reload();
  await page.getByRole('heading', { level: 1, name: 'الرسائل' }).waitFor();
});

for (const [tag, link] of [['en-GB', 'View listing'], ['de', 'Anzeige ansehen'], ['es', 'Ver anuncio'], ['ar', 'عرض الإعلان']]) {
  test(`in ${tag} a listing is called the same in a chat and beside it`, async (t) => {
    const browser = await newBrowser(t, { width: 1440, height: 900 });
    await browser.addInitScript((language) => location.protocol === 'http:' && localStorage.setItem('latchkey:locale', language), tag);
    const page = await browser.newPage();
    await page.goto(`${server.url}/messages/${loft}?as=mira`);
    await page.locator('main section article').getByRole('link', { name: link, exact: true }).waitFor();
  });
}

test('in Arabic a long English line is cut at its end', async (t) => {
  const browser = await newBrowser(t, { width: 390, height: 844 });
  await browser.addInitScript(() => location.protocol === 'http:' && localStorage.setItem('latchkey:locale', 'ar'));
  const page = await browser.newPage();
  await page.goto(`${server.url}/dashboard?tab=messages&as=omar`);
  const line = page.getByRole('article').filter({ hasText: 'Greta Novak' }).locator('bdi').last();
  await line.waitFor();
  const { isCut, text, box } = await line.evaluate((element) => {
    const range = document.createRange();
    range.setStart(element.firstChild, 0);
    range.setEnd(element.firstChild, 1);
    const [letter] = range.getClientRects();
    const { left, right } = element.closest('.min-w-0').getBoundingClientRect();
    return { isCut: element.scrollWidth > element.clientWidth, text: element.textContent, box: { letter: letter.left, left, right } };
  });
  assert.ok(isCut && box.letter >= box.left - 1 && box.letter < box.right, `the first letter of “${text}” is to be seen: ${JSON.stringify(box)}`);
});

test('in Arabic the arrow keys go through the tabs of the dashboard as they stand', async (t) => {
  const browser = await newBrowser(t);
  await browser.addInitScript(() => location.protocol === 'http:' && localStorage.setItem('latchkey:locale', 'ar'));
  const page = await browser.newPage();
  await page.goto(`${server.url}/dashboard?as=mira`);
  const tab = page.locator('[role=tab]');
  await tab.first().focus();
  await page.keyboard.press('ArrowLeft');
  await eventually('the one to the left is chosen', async () => (await tab.nth(1).getAttribute('aria-selected')) === 'true');
  const [first, second] = [await tab.first().boundingBox(), await tab.nth(1).boundingBox()];
  assert.ok(second.x < first.x);
});

const inbox = await Doorbell.start({ command: 'serve', env: { DOORBELL_JWT_SECRET: JWT_SECRET } });
after(() => inbox.stop());

for (const [locale, lang, dir, heading] of [['es-MX', 'es-MX', 'ltr', 'Mensajes'], ['de-AT', 'de-AT', 'ltr', 'Nachrichten'], ['ar-EG', 'ar-EG', 'rtl', 'الرسائل'], ['fr-FR', 'en', 'ltr', 'Messages']]) {
  test(`the hosted inbox speaks to a browser in ${locale} as ${lang}`, async (t) => {
    const signedOut = await open(t, inbox.url, { locale, allowed: [/status of 401/] });
    await signedOut.getByTestId('notice').waitFor();
    assert.deepEqual(await root(signedOut), { lang, dir });

    const browser = await newBrowser(t, { locale });
    const answer = await fetch(`${inbox.url}/api/auth/socket-token`, { method: 'POST', headers: { 'x-api-key': API_KEY, 'content-type': 'application/json' }, body: JSON.stringify({ userId: 'ann' }) });
    const { token } = await answer.json();
    await browser.addCookies([{ name: 'doorbell_session', value: token, url: inbox.url, httpOnly: true, sameSite: 'Lax' }]);
    const page = await browser.newPage();
    await page.goto(inbox.url);
    await page.getByRole('heading', { level: 1, name: heading }).waitFor();
    assert.deepEqual(await root(page), { lang, dir, chat: `${lang.split('-')[0]} ${dir}` });
    assert.equal(await page.title(), heading);
  });
}

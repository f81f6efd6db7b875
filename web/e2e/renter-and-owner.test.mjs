// The flows of seed listing-chat: a renter finds a home and writes to its owner, and the owner answers.
import assert from 'node:assert/strict';
import { newBrowser, open } from './support/browser.mjs';
import { as, bubble, demo, eventually, field, row, say, statusOf, test } from './support/stage.mjs';

const server = await demo();
const owner = async (listing) => (await (await fetch(`${server.url}/api/demo/listings/${listing}`)).json()).listing.owner.id;

test('a renter finds a home, writes to its owner, and reads the answer: two windows of one browser', async (t) => {
  const browser = await newBrowser(t);
  const renter = await browser.newPage();
  await renter.goto(server.url);
  await renter.getByRole('button', { name: 'Sign in', exact: true }).click();
  await renter.getByRole('button', { name: /^Priya Raman/ }).click();
  await renter.getByLabel('To stay').check();
  await renter.getByRole('status').filter({ hasText: '2 of 12 homes' }).waitFor();
  await renter.getByRole('link', { name: /^Lighthouse keeper/ }).click();
  await renter.waitForURL(`${server.url}/listing/lighthouse`);
  await renter.getByRole('heading', { level: 1, name: /Lighthouse keeper/ }).waitFor();
  const contact = renter.getByRole('button', { name: 'Contact owner' });
  const box = await contact.boundingBox();
  const { width, height } = renter.viewportSize();
  assert.ok(box.x < width / 4 && box.y > height * 0.8, `at the bottom left, and not at ${JSON.stringify(box)}`);
  await contact.click();
  const popup = renter.getByRole('dialog', { name: 'Messages' });
  await popup.getByRole('heading', { name: 'Greta Novak' }).waitFor();
  const corner = await popup.boundingBox();
  assert.ok(corner.x + corner.width > width - 60 && corner.y + corner.height > height - 60, `the chat is at the bottom right, and not at ${JSON.stringify(corner)}`);
  const text = 'Is the lamp as bright as they say? <b>Really?</b>';
  await say(renter, text);
  await statusOf(renter, text, 'Sent').waitFor({ state: 'attached' });

  // Beside it, in the same browser, its owner.
  const owner = await browser.newPage();
  await owner.goto(`${server.url}/?as=greta`);
  assert.doesNotMatch(owner.url(), /as=/, 'the address can be passed on');
  await owner.getByRole('button', { name: 'Account of Greta Novak' }).waitFor();
  await owner.getByRole('link', { name: /^Messages \(\d+ unread\)/ }).first().click();
  await row(owner, 'Priya Raman').first().click();
  await bubble(owner, text).waitFor();
  await statusOf(renter, text, 'Read').waitFor({ state: 'attached' });
  assert.equal(await owner.locator('.db-message b').count(), 0, 'what people write is text');
  const spoken = renter.getByRole('status').filter({ hasText: 'Greta Novak: Brighter. Bring a hat.' }).waitFor({ state: 'attached' });
  await say(owner, 'Brighter. Bring a hat.');
  await spoken;
  await bubble(renter, 'Brighter. Bring a hat.').waitFor();
  assert.equal(await bubble(renter, 'Brighter. Bring a hat.').count(), 1);

  // The renter is still who she was, also after a reload, which keeps the chat open.
  await renter.reload();
  await renter.getByRole('button', { name: 'Account of Priya Raman' }).waitFor();
  await bubble(renter, 'Brighter. Bring a hat.').waitFor();
});

test('a chat that somebody has opened and not written in stands in their list, and in the owner’s from the first message', async (t) => {
  const before = (await (await as(server, 'greta')).get('/api/conversations')).conversations.length;
  const ofOwner = await open(t, `${server.url}/messages?as=greta`);
  await row(ofOwner, 'Omar Haddad').first().waitFor();
  const renter = await open(t, `${server.url}/listing/lighthouse?as=yuki`);
  await renter.getByRole('button', { name: 'Contact owner' }).click();
  await field(renter).waitFor();
  await eventually('the server has it in the list', async () => (await (await as(server, 'greta')).get('/api/conversations')).conversations.length === before + 1);
  for (let times = 0; times < 2; times += 1) {
    assert.equal(await row(ofOwner, 'Yuki Tanaka').count(), 0, times === 0 ? 'when it is opened' : 'after a reload');
    await ofOwner.reload();
    await row(ofOwner, 'Omar Haddad').first().waitFor();
    await ofOwner.waitForLoadState('networkidle');
  }
  await renter.goto(`${server.url}/messages`);
  await row(renter, 'Greta Novak').first().click();
  await say(renter, 'Does the fog horn sleep?');
  await row(ofOwner, 'Yuki Tanaka').waitFor();
});

test('asking twice leads to the same conversation', async (t) => {
  const page = await open(t, `${server.url}/listing/courtyard?as=yuki`);
  for (let times = 0; times < 2; times += 1) {
    await page.getByRole('button', { name: 'Contact owner' }).click();
    await field(page).waitFor();
    if (times === 0) await say(page, 'Does the fig bear figs?');
    await bubble(page, 'Does the fig bear figs?').waitFor();
    await page.getByRole('button', { name: 'Close chat' }).click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  }
  const { conversations } = await (await as(server, 'yuki')).get('/api/conversations');
  assert.equal(conversations.filter(({ listing }) => listing?.id === 'courtyard').length, 1);
});

test('an owner sees at the listing who has asked about it, and no button to write to oneself', async (t) => {
  const page = await open(t, `${server.url}/listing/canal-loft?as=tomas`);
  const yours = page.getByRole('region', { name: 'Your listing' });
  await yours.getByRole('link', { name: /Mira Okafor/ }).waitFor();
  assert.equal(await page.getByRole('button', { name: 'Contact owner' }).count(), 0);
  await yours.getByRole('link', { name: /Mira Okafor/ }).click();
  await page.waitForURL(/\/messages\/.+/);
  await bubble(page, 'decorative').first().waitFor();
});

test('who is not signed in sees no button either, and is told to sign in', async (t) => {
  const page = await open(t, `${server.url}/listing/canal-loft`);
  await page.getByRole('heading', { level: 1, name: /Canal loft/ }).waitFor();
  assert.equal(await page.getByRole('button', { name: 'Contact owner' }).count(), 0);
  await page.goto(`${server.url}/messages`);
  await page.getByRole('heading', { name: 'Sign in first' }).waitFor();
  await page.goto(`${server.url}/dashboard`);
  await page.getByRole('heading', { name: 'Sign in first' }).waitFor();
});

test('the account is switched from the menu, for this browser, and a window of its own is left alone', async (t) => {
  const browser = await newBrowser(t);
  const [page, other] = [await browser.newPage(), await browser.newPage()];
  await other.goto(`${server.url}/?as=omar`);
  await page.goto(server.url);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('button', { name: /^Sam Whitlock/ }).click();
  await page.getByRole('button', { name: 'Account of Sam Whitlock' }).click();
  await page.getByRole('button', { name: 'Yuki Tanaka', exact: true }).click();
  await page.getByRole('button', { name: 'Account of Yuki Tanaka' }).waitFor();
  await other.reload();
  await other.getByRole('button', { name: 'Account of Omar Haddad' }).waitFor();
  await page.reload();
  await page.getByRole('button', { name: 'Account of Yuki Tanaka' }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('button', { name: 'Sign in', exact: true }).waitFor();
  await page.reload();
  await page.getByRole('button', { name: 'Sign in', exact: true }).waitFor();
});

test('a dashboard shows the conversations, and a chat beside them', async (t) => {
  const page = await open(t, `${server.url}/dashboard?as=bea`);
  await page.getByRole('tab', { name: /Messages/ }).click();
  await page.getByRole('link', { name: 'Open Chat with Yuki Tanaka' }).click();
  await bubble(page, 'Wednesday at five').first().waitFor();
  await say(page, 'The carpet dealer is brave.');
  await bubble(page, 'The carpet dealer is brave.').waitFor();
  await page.goBack();
  await field(page).waitFor({ state: 'detached' });
  assert.match(page.url(), /tab=messages/);
  await eventually('the list has the last line', () => page.getByText('The carpet dealer is brave.').count());
});

test('the rows of the dashboard and of a listing say who wrote last, and how much is unread up to 99', async (t) => {
  const page = await open(t, `${server.url}/dashboard?tab=messages&as=omar`);
  const sam = await as(server, 'sam');
  const { conversation } = await sam.post('/api/conversations', { title: 'Those who count', participantIds: ['omar'], isGroup: true });
  const entry = page.getByRole('article').filter({ hasText: 'Those who count' });
  await sam.post('/api/messages', { conversationId: conversation.id, content: 'One hundred.' });
  await entry.getByText('Sam: One hundred.').waitFor();
  const omar = await as(server, 'omar');
  await omar.post('/api/messages', { conversationId: conversation.id, content: 'I count two.' });
  await entry.getByText('You: I count two.').waitFor();
  await page.route('**/api/conversations*', async (route) => {
    const answer = await route.fetch();
    if (answer.status() !== 200) return route.fulfill({ response: answer });
    const body = await answer.json();
    for (const each of body.conversations) if (each.id === conversation.id) each.unreadCount = 100;
    return route.fulfill({ response: answer, json: body });
  });
  await page.reload();
  await entry.getByText('99+', { exact: true }).waitFor();

  const { conversation: about } = await sam.post('/api/conversations', { listingId: 'bakery-flat', ownerId: (await owner('bakery-flat')) });
  await sam.post('/api/messages', { conversationId: about.id, content: 'Is there a lift?' });
  const mine = await as(server, await owner('bakery-flat'));
  await mine.post('/api/messages', { conversationId: about.id, content: 'There are stairs.' });
  const listing = await open(t, `${server.url}/listing/bakery-flat?as=${await owner('bakery-flat')}`);
  await listing.getByRole('region', { name: 'Your listing' }).getByRole('link', { name: /Sam/ }).getByText('You: There are stairs.').waitFor();
});

test('what to beware of stands above the messages, until it was read', async (t) => {
  const mira = await as(server, 'mira');
  const { conversations } = await mira.get('/api/conversations');
  const { id } = conversations.find(({ listing }) => listing?.id === 'canal-loft');
  const page = await open(t, `${server.url}/messages/${id}?as=mira`, { width: 1440, height: 900 });
  const warning = page.getByText(/^See the place before you pay/).filter({ visible: true });
  await page.getByRole('region', { name: 'About this conversation' }).getByText(/^See the place/).waitFor();
  assert.equal(await warning.count(), 1, 'where there is room it stands beside them');
  for (const [path, width, height] of [[`/messages/${id}`, 390, 844], [`/messages/${id}`, 1024, 700], [`/dashboard?tab=messages&chat=${id}`, 390, 844], [`/dashboard?tab=messages&chat=${id}`, 1280, 620]]) {
    await page.setViewportSize({ width, height });
    await page.goto(server.url + path);
    await bubble(page, 'decorative').first().waitFor();
    await warning.waitFor();
    assert.ok((await warning.boundingBox()).y < (await page.locator('.db-history').first().boundingBox()).y, `${path} at ${width}`);
    const box = await field(page).boundingBox();
    assert.ok(box.y + box.height <= height, `one can write without scrolling: ${path} at ${width}`);
  }
  await page.getByRole('complementary', { name: 'Safety' }).getByRole('button', { name: 'Close' }).click();
  await warning.waitFor({ state: 'detached' });
  await page.reload();
  await bubble(page, 'decorative').first().waitFor();
  assert.equal(await warning.count(), 0);
});

test('a group is made of a title and people, and all of them read what is said', async (t) => {
  const browser = await newBrowser(t);
  const pages = {};
  for (const who of ['bea', 'sam', 'omar']) {
    pages[who] = await browser.newPage();
    await pages[who].goto(`${server.url}/messages?as=${who}`);
    await pages[who].getByRole('button', { name: 'New group' }).waitFor();
  }
  const { bea, sam, omar } = pages;
  await bea.getByRole('button', { name: 'New group' }).click();
  await bea.getByRole('button', { name: 'Make the group' }).click();
  await bea.getByRole('alert').filter({ hasText: 'Give the group a name.' }).waitFor();
  await bea.getByLabel('Name of the group').fill('Boiler council');
  await bea.getByRole('button', { name: 'Make the group' }).click();
  await bea.getByRole('alert').filter({ hasText: 'Choose at least one other person.' }).waitFor();
  await bea.getByRole('checkbox', { name: 'Sam Whitlock' }).check();
  await bea.getByRole('checkbox', { name: 'Omar Haddad' }).check();
  await bea.getByRole('button', { name: 'Make the group' }).click();
  await bea.waitForURL(/\/messages\/.+/);
  await say(bea, 'All in favour of a new boiler?');
  for (const page of [sam, omar]) {
    await row(page, 'Boiler council').click();
    await bubble(page, 'All in favour').waitFor();
  }
  await say(sam, 'Aye.');
  await say(omar, 'Aye, sadly.');
  for (const page of [bea, sam, omar]) {
    await bubble(page, 'Aye, sadly.').waitFor();
    assert.equal(await bubble(page, 'Aye.').count(), 1);
  }
  await bea.getByRole('button', { name: 'Read by 2 people' }).click();
  await bea.getByText(/^Read by (Sam Whitlock and Omar Haddad|Omar Haddad and Sam Whitlock)$/).waitFor();
});

test('a comment stands below the listing for the next one who looks', async (t) => {
  const page = await open(t, `${server.url}/listing/tiny-house?as=mira`);
  await page.getByText('The fern is not included').waitFor();
  await page.getByLabel('Your comment').fill('May one water it, at least? <i>Please</i>');
  await page.getByRole('button', { name: 'Post' }).click();
  await page.getByText('May one water it, at least? <i>Please</i>').waitFor();
  await page.goto(`${server.url}/listing/tiny-house?as=sam`);
  await page.getByText('May one water it, at least? <i>Please</i>').waitFor();
});

// How much of a page's time the widget's script takes before anybody uses it: `npm run loader-time`. A benchmark and no test,
// since what else the machine does counts as time of the script. The aim is 10 ms, and no task over 50 ms.
import { Doorbell } from '../../tests/clients/support/doorbell.mjs';
import { newBrowser } from './support/browser.mjs';
import { Site } from './support/site.mjs';

const LOADS = 15;
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

const site = await Site.start();
const server = await Doorbell.start({ env: { FRONTEND_URL: site.origin } });
try {
  const url = site.put('/flat', { server: server.url, tag: { 'token-url': '/token', 'listing-id': 'flat', 'owner-id': 'owner' } });
  const browser = await newBrowser();
  const [own, longest] = [[], []];
  for (let load = 0; load < LOADS; load += 1) {
    const page = await browser.newPage();
    const session = await browser.newCDPSession(page);
    await session.send('Profiler.enable');
    await session.send('Profiler.setSamplingInterval', { interval: 200 });
    await session.send('Profiler.start');
    await page.goto(url);
    await page.getByRole('button', { name: 'Contact owner' }).waitFor();
    const { profile } = await session.send('Profiler.stop');
    const ours = new Set(profile.nodes.filter((node) => node.callFrame.url.endsWith('/widget.js')).map((node) => node.id));
    own.push(profile.samples.reduce((sum, id, at) => sum + (ours.has(id) ? profile.timeDeltas[at] : 0), 0) / 1000);
    longest.push(await page.evaluate(() => window.longest));
    await page.close();
  }
  await browser.close();
  const spread = (values) => `${median(values).toFixed(1)} [${Math.min(...values).toFixed(1)}-${Math.max(...values).toFixed(1)}]`;
  console.log(`${LOADS} loads: the script ${spread(own)} ms, the longest task of the page ${spread(longest)} ms (0: none over 50)`);
} finally {
  await server.stop();
}
process.exit(0);

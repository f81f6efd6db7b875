// Pictures of every state of the playground: `npm run screens -- folder [state ...]`.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { open, start, stop } from '../test/support/playground.mjs';

const [folder = 'screens', ...wanted] = process.argv.slice(2);
const LOOKS = { light: { theme: 'light' }, dark: { theme: 'dark' }, ar: { theme: 'light', locale: 'ar' } };
const SIZES = { desktop: { width: 1100, height: 760 }, phone: { width: 390, height: 780, hasTouch: true, isMobile: true } };

await mkdir(folder, { recursive: true });
await start();
try {
  const first = await open(null, 'chat');
  const states = wanted.length > 0 ? wanted : (await first.evaluate(() => window.states)).filter((name) => name !== 'chat-long' && name !== 'chat-photos');
  await first.context().close();
  for (const state of states) {
    for (const [look, query] of Object.entries(LOOKS)) {
      for (const [size, options] of Object.entries(SIZES)) {
        const page = await open(null, state, { query, ...options });
        await page.waitForTimeout(600);
        await page.screenshot({ path: join(folder, `${state}-${look}-${size}.png`) });
        await page.context().close();
      }
    }
  }
} finally {
  await stop();
}

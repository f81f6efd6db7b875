// A new project with Vite and React: the packed packages, ten lines, and a chat that works.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';
import { after } from 'node:test';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { Doorbell, test } from '../../tests/clients/support/doorbell.mjs';
import { newBrowser } from '../e2e/support/browser.mjs';
import { bubble, field, say, statusOf } from '../e2e/support/stage.mjs';
import { folder, install, pack, project, run, web } from './support.mjs';

const packed = await pack();
const versions = JSON.parse(await readFile(path.join(web, 'app/package.json'), 'utf8'));

const root = await folder('vite');
const built = createServer(async (request, response) => {
  const file = new URL(request.url, 'http://site').pathname.replace(/^\/$/, '/index.html');
  const types = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' };
  await readFile(path.join(root, 'dist', file)).then(
    (content) => response.writeHead(200, { 'content-type': types[path.extname(file)] ?? 'application/octet-stream' }).end(content),
    () => response.writeHead(404).end(),
  );
});
await new Promise((resolve) => built.listen(0, '127.0.0.1', resolve));
// Of the file, so that it outlives the pages.
after(() => {
  built.closeAllConnections();
  built.close();
});
const origin = `http://127.0.0.1:${built.address().port}`;
const server = await Doorbell.forFile({ env: { FRONTEND_URL: origin } });

test('a package holds what its users need, and none of its tests', async () => {
  for (const [name, file] of Object.entries(packed)) {
    const files = (await run('tar', ['tzf', file])).trim().split('\n').map((entry) => entry.replace('package/', ''));
    for (const wanted of ['package.json', 'README.md', 'LICENSE-MIT', 'LICENSE-APACHE', 'dist/index.js', 'dist/index.d.ts', ...(name === 'react' ? ['dist/styles.css'] : [])]) {
      assert.ok(files.includes(wanted), `${name} has ${wanted}`);
    }
    assert.deepEqual(files.filter((entry) => /test|playground|node_modules|^bin/.test(entry)), [], name);
    const { messages, pkg } = await publint({ pack: { tarball: new Uint8Array(await readFile(file)).buffer } });
    assert.deepEqual(messages.map((message) => formatMessage(message, pkg)), [], name);
  }
});

test('a new Vite project installs the packages, and ten lines of it are a chat', async (t) => {
  const [ann, ben] = [await server.person('Ann', { image: null }), await server.person('Ben', { image: null })];
  const conversation = await server.direct(ann, ben);

  const main = `
import { createClient } from '@doorbell/client';
import { Chat, DoorbellProvider } from '@doorbell/react';
import '@doorbell/react/styles.css';
import { createRoot } from 'react-dom/client';
const client = createClient({ url: '${server.url}', token: new URLSearchParams(location.search).get('token') });
createRoot(document.getElementById('root')).render(
  <DoorbellProvider client={client}>
    <main style={{ position: 'fixed', inset: 0 }}><Chat conversationId="${conversation.id}" /></main>
  </DoorbellProvider>,
);`.trim();
  assert.equal(main.split('\n').length, 10);
  const { dependencies: { react }, devDependencies } = versions;
  await project(root, {
    'package.json': {
      private: true, type: 'module', scripts: { build: 'vite build' },
      dependencies: { '@doorbell/client': `file:${packed.client}`, '@doorbell/react': `file:${packed.react}`, react, 'react-dom': react },
      devDependencies: { '@vitejs/plugin-react': devDependencies['@vitejs/plugin-react'], vite: devDependencies.vite, typescript: JSON.parse(await readFile(path.join(web, 'package.json'), 'utf8')).devDependencies.typescript, '@types/react': devDependencies['@types/react'], '@types/react-dom': devDependencies['@types/react-dom'] },
    },
    'vite.config.js': "import react from '@vitejs/plugin-react';\nexport default { plugins: [react()] };\n",
    'index.html': '<!doctype html><html lang="en"><head><title>Chat</title><link rel="icon" href="data:,"></head><body><div id="root"></div><script type="module" src="/src/main.tsx"></script></body></html>',
    'src/main.tsx': main.replace("get('token') }", "get('token') ?? undefined }").replace("('root'))", "('root')!)"),
    'src/vite.d.ts': '/// <reference types="vite/client" />\n',
    'tsconfig.json': { compilerOptions: { strict: true, noEmit: true, jsx: 'react-jsx', module: 'esnext', moduleResolution: 'bundler', target: 'es2022', lib: ['es2022', 'dom', 'dom.iterable'] }, include: ['src'] },
  });
  await install(root);
  await run('npx', ['tsc', '-p', '.'], { cwd: root });
  await run('npm', ['run', 'build'], { cwd: root });

  const page = async (person) => {
    const opened = await (await newBrowser(t)).newPage();
    await opened.goto(`${origin}/?token=${person.token}`);
    await field(opened).waitFor();
    // The chat is as high as the window, however little was said.
    const box = await field(opened).boundingBox();
    const below = opened.viewportSize().height - box.y - box.height;
    assert.ok(below >= 0 && below < 60, `the field is at the foot of the window, and not ${below} pixels above it`);
    return opened;
  };
  const [anns, bens] = [await page(ann), await page(ben)];
  await say(anns, 'From a new project');
  await bubble(bens, 'From a new project').waitFor();
  await statusOf(anns, 'From a new project', /Sent|Read/).waitFor({ state: 'attached' });
});

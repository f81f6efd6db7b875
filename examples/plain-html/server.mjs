// A site of one page, and the route that gives its visitors a token for the chat. Node alone.
import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

const secret = process.env.DOORBELL_JWT_SECRET;
if (!secret) throw new Error('DOORBELL_JWT_SECRET is not set. Give the site and Doorbell the same one.');
const doorbell = process.env.DOORBELL_URL ?? 'http://localhost:5544';
const port = Number(process.env.PORT ?? 3000);

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A token as Doorbell takes it: HS256, with the person in `sub` and an `exp`. */
function tokenFor(id) {
  const now = Math.floor(Date.now() / 1000);
  const body = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: id, name: id[0].toUpperCase() + id.slice(1), iat: now, exp: now + 3600 })}`;
  return `${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`;
}

createServer(async (request, response) => {
  const url = new URL(request.url, 'http://site');
  // Stands for your session: this example believes what its address says.
  const visitor = url.searchParams.get('as');
  if (url.pathname === '/token' && request.method === 'POST') {
    const known = ['ann', 'olga'].includes(visitor);
    response.writeHead(known ? 200 : 401, { 'content-type': 'application/json' });
    response.end(JSON.stringify(known ? { token: tokenFor(visitor) } : { error: 'Nobody is signed in.' }));
  } else if (url.pathname === '/') {
    const page = await readFile(new URL('public/index.html', import.meta.url), 'utf8');
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
    response.end(page.replaceAll('{doorbell}', doorbell).replaceAll('{visitor}', visitor === 'olga' || visitor === 'ann' ? visitor : ''));
  } else {
    response.writeHead(404).end('There is no such page.');
  }
}).listen(port, () => console.log(`http://localhost:${port}/?as=ann`));

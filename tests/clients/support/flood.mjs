// One client that does everything a hundred times as fast as it may, in a process of its own: `node flood.mjs <url> <user's
// token> <its address> <another user>`. Each second it writes a line of JSON: how often it got which answer to what.
import { randomBytes } from 'node:crypto';
import http from 'node:http';
import { io } from 'socket.io-client';

const [url, token, address, other] = process.argv.slice(2);
const counts = {};
const count = (what, outcome) => {
  counts[what] ??= {};
  counts[what][outcome] = (counts[what][outcome] ?? 0) + 1;
};
// More at once would be this process's own limit and not the server's.
const agent = new http.Agent({ keepAlive: true, maxSockets: 32 });

function request(what, method, path, { headers = {}, body } = {}) {
  const request = http.request(url + path, { agent, method, headers: { 'x-forwarded-for': address, ...headers } }, (response) => {
    count(what, response.statusCode);
    response.resume();
  });
  request.on('error', () => count(what, 'error'));
  request.end(body);
}
const json = (body, credential = { authorization: `Bearer ${token}` }) => ({ headers: { 'content-type': 'application/json', ...credential }, body: JSON.stringify(body) });

/** As many each second, in portions. */
function each(second, act) {
  let due = 0;
  setInterval(() => {
    due += second / 50;
    for (; due >= 1; due -= 1) act();
  }, 20);
}

const sockets = Array.from({ length: 4 }, () => io(url, { forceNew: true, transports: ['websocket'], extraHeaders: { 'x-forwarded-for': address }, auth: { token, contract: 'conversations' } }));
let turn = 0;
const emit = (what, name, payload) => {
  const socket = sockets[turn++ % sockets.length];
  if (socket.connected) socket.emit(name, payload, (answer) => count(what, answer.ok ? 'ok' : answer.error.code));
  else count(what, 'not connected');
};
const id = () => randomBytes(8).toString('hex');
const form = Buffer.from(`--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nflood ${'x'.repeat(1000)}\r\n--b--\r\n`);

// 100 times the defaults; new conversations and failures have theirs by the hour and minute.
each(2000, () => emit('sends', 'message:send', { receiverId: other, content: `flood ${id()}` }));
each(100, () => emit('typing', 'typing', { recipientId: other, isTyping: turn % 2 === 0 }));
each(500, () => emit('reads', 'message:read', { conversationId: `none-${id()}` }));
each(500, () => emit('joins', 'conversation:join', { conversationId: `none-${id()}` }));
each(50, () => request('uploads', 'POST', '/api/upload', { headers: { authorization: `Bearer ${token}`, 'content-type': 'multipart/form-data; boundary=b' }, body: form }));
each(20, () => request('conversations', 'POST', '/api/conversations', json({ otherUserId: `flooded-${id()}` })));
each(1000, () => request('requests', 'GET', '/api/conversations', { headers: { authorization: `Bearer ${token}` } }));
each(100, () => request('failed sign-ins', 'GET', '/api/conversations', { headers: { authorization: `Bearer ${id()}` } }));
each(100, () => request('guesses', 'PUT', `/v1/users/${id()}`, json({}, { 'x-api-key': id() })));
each(1000, () => request('handshakes', 'GET', '/socket.io/?EIO=4&transport=polling'));
each(20, () => {
  const socket = io(url, { forceNew: true, transports: ['websocket'], reconnection: false, extraHeaders: { 'x-forwarded-for': address }, auth: { token: Math.random() < 0.5 ? token : id() } });
  socket.on('connect', () => count('connections', 'in'));
  socket.on('connect_error', (error) => count('connections', error.data?.code ?? 'refused'));
  setTimeout(() => socket.disconnect(), 1000);
});
setInterval(() => console.log(JSON.stringify(counts)), 1000);

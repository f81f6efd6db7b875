// node:test's `test`, with what one wants to see when it fails.
import nodeTest from 'node:test';

/** Deployments that run now. */
export const running = new Set();

/** Shows the end of each running server's log when the test fails. */
export function test(name, ...rest) {
  const body = rest.pop();
  return nodeTest(name, ...rest, async (t) => {
    // The same calls reach the same nodes at every run.
    for (const server of running) server.turn = 0;
    try {
      await body(t);
    } catch (error) {
      for (const server of running) for (const node of server.nodes) t.diagnostic(`log of ${node.url}:\n${node.logs.slice(-3000)}`);
      throw error;
    }
  });
}

/** Tries again until it gives something true, or fails after `timeout` with what it failed on. */
export async function eventually(what, attempt, timeout = 5000) {
  const end = Date.now() + timeout;
  for (;;) {
    let last;
    try {
      const value = await attempt();
      if (value) return value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`${what}: not within ${timeout} ms`, { cause: last });
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

export const within = (promise, ms, what) => {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export const range = (n) => Array.from({ length: n }, (_, i) => i);

let counter = 0;
const session = Math.random().toString(36).slice(2, 8);
/** An id that no other test uses. */
export const unique = (name = 'id') => `${name}-${session}-${++counter}`;

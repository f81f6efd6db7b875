// A real S3 server with one bucket, `photos`: moto, which bin/test installs.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawnChild } from './children.mjs';
import { freePort } from './ports.mjs';
import { eventually } from './test.mjs';

const program = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../s3-server/.venv/bin/moto_server');

export class S3 {
  static async start() {
    if (!existsSync(program)) throw new Error('there is no S3 server to test with; `bin/test clients` installs one');
    const s3 = new S3();
    s3.port = await freePort();
    s3.url = `http://127.0.0.1:${s3.port}`;
    await s3.startAgain();
    return s3;
  }

  /** What a node needs to keep its files there. */
  get env() {
    return { DOORBELL_MEDIA_URL: 's3://photos/shop/media', AWS_ENDPOINT_URL: this.url, AWS_REGION: 'eu-central-1', AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' };
  }

  /** With an empty bucket: it keeps things in memory. */
  async startAgain() {
    this.child = spawnChild(program, ['-H', '127.0.0.1', '-p', String(this.port)], { stdio: 'ignore' });
    this.ended = new Promise((resolve) => this.child.on('close', resolve));
    await eventually('the S3 server answers', async () => (await fetch(`${this.url}/photos`, { method: 'PUT' })).ok, 60_000);
  }

  /** The keys in the bucket. */
  async keys() {
    const text = await (await fetch(`${this.url}/photos?list-type=2`)).text();
    return [...text.matchAll(/<Key>([^<]+)<\/Key>/g)].map((found) => found[1]).sort();
  }

  async stop() {
    this.child.kill('SIGKILL');
    await this.ended;
  }
}

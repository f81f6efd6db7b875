// A disk that is soon full: a tmpfs of its own.
import { chownSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';

export class SmallDisk {
  /** `like`: who owns it, as a file or folder says. Mounting is root's right; without it this fails with a sentence. */
  static mount(size, like) {
    const disk = new SmallDisk();
    disk.folder = mkdtempSync(path.join(tmpdir(), 'doorbell-disk-'));
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'doorbell-test', disk.folder], { stdio: 'pipe' });
    } catch (error) {
      rmSync(disk.folder, { recursive: true });
      throw new Error(`this test needs the right to mount a small disk (run it as root): ${error.message}`);
    }
    if (like) {
      const { uid, gid } = statSync(like);
      chownSync(disk.folder, uid, gid);
    }
    return disk;
  }

  /** Leaves no room for anything. */
  fill() {
    const ballast = path.join(this.folder, 'ballast');
    for (const size of [1 << 20, 1 << 16, 1 << 12]) {
      for (;;) {
        try {
          writeFileSync(ballast, Buffer.alloc(size), { flag: 'a' });
        } catch {
          break;
        }
      }
    }
  }

  grow(size) {
    execFileSync('mount', ['-o', `remount,size=${size}`, this.folder]);
  }

  remove() {
    execFileSync('umount', ['-l', this.folder]);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

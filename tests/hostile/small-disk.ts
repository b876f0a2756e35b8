import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** A separate small file system; it is unmounted after the test. */
export class SmallDisk {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Returns null and skips the test when none can be mounted. */
  static mount(t: TestContext, size: string): SmallDisk | null {
    if (process.geteuid?.() !== 0) {
      t.skip('needs root to mount a small file system');
      return null;
    }
    const path = mkdtempSync(join(tmpdir(), 'sallyport-disk-'));
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=700`, 'tmpfs', path], { stdio: 'pipe' });
    } catch (error) {
      rmSync(path, { recursive: true });
      t.skip(`cannot mount a small file system: ${(error as Error).message}`);
      return null;
    }
    t.after(() => {
      execFileSync('umount', ['--lazy', path]);
      rmSync(path, { recursive: true });
    });
    return new SmallDisk(path);
  }

  /** Fills all free space. */
  fill(): void {
    const file = openSync(join(this.path, 'fill'), 'a');
    for (const size of [65_536, 4_096, 64])
      try {
        for (;;) writeSync(file, Buffer.alloc(size));
      } catch {}
    closeSync(file);
  }

  empty(): void {
    rmSync(join(this.path, 'fill'), { force: true });
  }
}

import { closeSync, fdatasync, openSync } from 'node:fs';
import { backup, type DatabaseSync } from 'node:sqlite';

/** Options of a copy. */
export interface CopyOptions {
  readonly signal: AbortSignal;
}

/**
 * Copies an open database into a new file that only its owner can read. The copy holds the database as it is at the
 * end; writes continue meanwhile and reach the copy. Another thread copies few pages at a time and flushes them on the
 * way. A commit waits for a running step, and the last step flushes everything.
 */
export async function copyDatabase(database: DatabaseSync, file: string, { signal }: CopyOptions): Promise<void> {
  const descriptor = openSync(file, 'wx', 0o600);
  let flushing = false;
  const progress = (): void => {
    signal.throwIfAborted();
    if (flushing) return;
    flushing = true;
    fdatasync(descriptor, () => {
      flushing = false;
    });
  };
  try {
    signal.throwIfAborted();
    await backup(database, file, { rate: pagesPerStep, progress });
    signal.throwIfAborted();
  } finally {
    while (flushing) await new Promise((resolve) => setImmediate(resolve));
    closeSync(descriptor);
  }
}

/** 256 KiB: a step takes less than 2 ms. */
const pagesPerStep = 64;

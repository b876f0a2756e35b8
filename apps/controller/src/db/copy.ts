import { closeSync, fdatasync, openSync } from 'node:fs';
import { backup, type DatabaseSync } from 'node:sqlite';

/** Options of a copy. */
export interface CopyOptions {
  readonly signal: AbortSignal;
}

/**
 * Copies an open database, as it is at the end of the copy, into a new file that only its owner can read. Writes go on
 * meanwhile and reach the copy too. Pages are copied few at a time in another thread, and flushed to the disk on the
 * way, because a commit waits for a step that is under way, and the last step flushes everything.
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

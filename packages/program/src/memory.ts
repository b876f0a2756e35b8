import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Returns to the system the memory that only loading a program took; V8 would keep it for the life of an idle process.
 * Stops the program for some tens of milliseconds, and for longer with a large heap.
 */
export function returnMemory(): void {
  setFlagsFromString('--expose-gc');
  const collect: (options: object) => void = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}

/** Returns memory some seconds after the start, unless the state is large: loading is little of that. */
export function returnMemoryAfterStart(): void {
  setTimeout(() => {
    if (process.memoryUsage().heapUsed < largeHeapBytes) returnMemory();
  }, afterStartMs).unref();
}

const afterStartMs = 5_000;
const largeHeapBytes = 64 << 20;

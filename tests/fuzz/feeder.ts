// The process that feeds one target; the runner starts it, and names the input if it dies.
import { openSync, writeSync } from 'node:fs';
import process from 'node:process';
import { getHeapStatistics } from 'node:v8';
import { dice } from '@sallyport/agent-core/testing';
import type { TargetModule } from './targets.ts';

/** Orders of the process. It feeds at most `inputs`, none after `milliseconds`, but always `least`. */
export interface Order {
  readonly path: string;
  readonly seed: number;
  readonly inputs: number;
  readonly least: number;
  readonly milliseconds: number;
  readonly bounds: Bounds;
  /** File with the seed of the running input. */
  readonly current: string;
}

/** Bounds on one input. */
export interface Bounds {
  /** CPU time of one input. */
  readonly milliseconds: number;
  /** Heap growth of one input. */
  readonly bytes: number;
}

/** One failed input, with its seed for a repetition. */
export interface Failure {
  readonly seed: number;
  readonly message: string;
}

/** Summary of a run. */
export interface Summary {
  readonly inputs: number;
  readonly slowestMs: number;
  readonly largestBytes: number;
  readonly failure: Failure | null;
}

/** Repetitions of an input that exceeded a bound. Only an input that exceeds it every time fails. */
const repeats = 4;

type Target = TargetModule['target'];

interface Cost {
  readonly milliseconds: number;
  readonly bytes: number;
  readonly error: string | null;
}

async function run(order: Order): Promise<Summary> {
  const current = openSync(order.current, 'r+');
  const { target, name } = (await import(order.path)) as TargetModule;
  if (typeof target !== 'function' || typeof name !== 'string')
    throw new Error(`${order.path} does not export name and target`);
  const started = performance.now();
  let [inputs, slowestMs, largestBytes] = [0, 0, 0];
  while (inputs < order.least || (inputs < order.inputs && performance.now() - started < order.milliseconds)) {
    const seed = (order.seed + inputs++) | 0;
    const spent = await settled(target, seed, order.bounds, current);
    const failure = spent.error ?? excess(spent, order.bounds);
    slowestMs = Math.max(slowestMs, spent.milliseconds);
    largestBytes = Math.max(largestBytes, spent.bytes);
    if (failure !== null) return { inputs, slowestMs, largestBytes, failure: { seed, message: failure } };
  }
  return { inputs, slowestMs, largestBytes, failure: null };
}

/**
 * Returns the cost of an input. It is the minimum of several runs when a bound is exceeded, so that a busy machine
 * cannot fail it.
 */
async function settled(target: Target, seed: number, bounds: Bounds, current: number): Promise<Cost> {
  let least = await cost(target, seed, current);
  for (let i = 0; i < repeats && least.error === null && excess(least, bounds) !== null; i++) {
    globalThis.gc?.();
    const again = await cost(target, seed, current);
    const milliseconds = Math.min(least.milliseconds, again.milliseconds);
    least = { milliseconds, bytes: Math.min(least.bytes, again.bytes), error: again.error };
  }
  return least;
}

async function cost(target: Target, seed: number, current: number): Promise<Cost> {
  writeSync(current, String(seed).padEnd(12), 0);
  const heap = heapBytes();
  const cpu = process.threadCpuUsage();
  let error: string | null = null;
  try {
    await target(dice(seed));
  } catch (cause) {
    error = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  }
  const { user, system } = process.threadCpuUsage(cpu);
  return { milliseconds: (user + system) / 1000, bytes: Math.max(0, heapBytes() - heap), error };
}

function heapBytes(): number {
  const { used_heap_size, external_memory } = getHeapStatistics();
  return used_heap_size + external_memory;
}

function excess({ milliseconds, bytes }: Cost, bounds: Bounds): string | null {
  if (milliseconds > bounds.milliseconds)
    return `takes ${milliseconds.toFixed(0)} ms of CPU time, more than ${bounds.milliseconds}`;
  return bytes > bounds.bytes ? `takes ${mega(bytes)} of heap, more than ${mega(bounds.bytes)}` : null;
}

const mega = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;

process.on('disconnect', () => process.exit(1));
const order = JSON.parse(process.argv[2] ?? '') as Order;
process.send?.(await run(order), () => process.exit(0));

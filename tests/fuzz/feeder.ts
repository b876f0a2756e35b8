// The process that feeds one target; the runner starts it, and names the input if it dies.
import { openSync, writeSync } from 'node:fs';
import process from 'node:process';
import { getHeapStatistics } from 'node:v8';
import { dice } from '@sallyport/agent-core/testing';
import type { TargetModule } from './targets.ts';

/** What the process is told. It feeds `inputs` at most, none after `milliseconds`, but `least` in any case. */
export interface Order {
  readonly path: string;
  readonly seed: number;
  readonly inputs: number;
  readonly least: number;
  readonly milliseconds: number;
  readonly bounds: Bounds;
  /** A file for the seed of the input that runs. */
  readonly current: string;
}

export interface Bounds {
  /** CPU time of one input. */
  readonly milliseconds: number;
  /** Growth of the heap over one input. */
  readonly bytes: number;
}

/** One input that failed, with what replays it. */
export interface Failure {
  readonly seed: number;
  readonly message: string;
}

export interface Summary {
  readonly inputs: number;
  readonly slowestMs: number;
  readonly largestBytes: number;
  readonly failure: Failure | null;
}

/** An input that exceeded a bound is fed again this often. Only one that exceeds it each time is a failure. */
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

/** The cost of an input; of one that exceeds a bound the least of several runs, so that a busy machine cannot fail it. */
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

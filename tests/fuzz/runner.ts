import { fork } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Bounds, Order, Summary } from './feeder.ts';
import type { TargetFile } from './targets.ts';

/** Bounds on every input. */
export const bounds: Bounds = { milliseconds: 200, bytes: 64 << 20 };

/** Timeout of an input that hangs. It is far above the bound, because it is wall time. */
const hangMs = 30_000;
/** Heap limit of the feeder, so that a large input ends the feeder and not the runner. */
const defaultHeapMegabytes = 512;

/** Extent of a run. */
export interface Extent {
  readonly seed: number;
  readonly inputs: number;
  readonly milliseconds: number;
  /** Minimum number of inputs, whatever their time. */
  readonly least?: number;
  /** Options of the feeder process. */
  readonly heapMegabytes?: number;
  /** Ends the run early. */
  readonly signal?: AbortSignal;
}

/**
 * Feeds a target in its own process, so that an endless loop or a full heap ends that process and names the input.
 * Input number n has the seed `seed + n`, so a run from the seed of a failure feeds that input first.
 */
export async function fuzz(file: TargetFile, extent: Extent): Promise<Summary> {
  const { seed, inputs, milliseconds, least = 1, signal } = extent;
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-fuzz-'));
  try {
    const current = join(folder, 'seed');
    await writeFile(current, '');
    const order = { path: file.path, seed, inputs, least, milliseconds, bounds, current };
    return await feed(order, extent.heapMegabytes ?? defaultHeapMegabytes, signal);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function feed(order: Order, heapMegabytes: number, signal: AbortSignal | undefined): Promise<Summary> {
  const child = fork(join(import.meta.dirname, 'feeder.ts'), [JSON.stringify(order)], {
    execArgv: ['--expose-gc', `--max-old-space-size=${heapMegabytes}`],
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    // The folder of this run holds the files of a target and is removed with it.
    env: { ...process.env, TMPDIR: dirname(order.current) },
    ...(signal && { signal }),
  });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4_000);
  });
  const watch = watchdog(order.current, () => child.kill('SIGKILL'));
  let summary: Summary | null = null;
  child.on('message', (message) => {
    summary = message as Summary;
  });
  try {
    const ending = await new Promise<string>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, name) => resolve(`ended with ${name ?? `code ${code}`}`));
    });
    if (summary !== null) return summary;
    const message = watch.hung ? `did not end within ${hangMs / 1000} s` : `the process ${ending}\n${said}`;
    const seed = Number(await readFile(order.current, 'utf8'));
    return { inputs: seed - order.seed + 1, slowestMs: 0, largestBytes: 0, failure: { seed, message } };
  } finally {
    watch.stop();
  }
}

/** Calls `kill` when the feeder stays at the same input for too long. */
function watchdog(current: string, kill: () => void) {
  const watch = { hung: false, stop: () => clearInterval(timer) };
  let before = '';
  const timer = setInterval(async () => {
    const seed = await readFile(current, 'utf8').catch(() => '');
    if (seed !== '' && seed === before) {
      watch.hung = true;
      kill();
    }
    before = seed;
  }, hangMs);
  return watch;
}

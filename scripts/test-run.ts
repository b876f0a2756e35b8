import { relative } from 'node:path';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileProcesses } from './leftovers.ts';

/** Files that run under the same conditions. */
export interface TestPass {
  /** In the order in which they start. */
  files: string[];
  /** How many run at once while another pass has files, too. */
  share: number;
  /** How many files of all passes run at once when no other pass has files that wait. */
  alone: number;
  /** For one file, in milliseconds. */
  timeout: number;
}

export interface Totals {
  passed: number;
  failed: number;
  skipped: number;
  unsteady: Unsteady[];
  /** How long each file ran, in seconds, the longest first. */
  times: [file: string, seconds: number][];
}

/** A file that failed and then passed when it was run again, alone. */
export interface Unsteady {
  file: string;
  /** What failed in the first run, one line each. */
  failures: string[];
}

type RunEvent = { type: string; data: Record<string, unknown> };

/** The counters of a run, and what its summary calls them. */
const COUNTERS = {
  tests: 'tests',
  suites: 'suites',
  passed: 'pass',
  failed: 'fail',
  cancelled: 'cancelled',
  skipped: 'skipped',
  todo: 'todo',
} as const;
const SUMMARY_LINE = new RegExp(`^(${Object.values(COUNTERS).join('|')}|duration_ms) `);

/** Runs the passes side by side and reports them on standard output as one run with one summary. */
export async function runPasses(passes: TestPass[], signal: AbortSignal): Promise<Totals> {
  const counts = new Map<string, number>();
  const unsteady: Unsteady[] = [];
  const times: Totals['times'] = [];
  const report = Readable.from(allEvents(passes, signal, { counts, unsteady, times })).compose(new spec());
  // When the reader of our output goes away, the rest of the report still has to be drained.
  process.stdout.once('unpipe', () => report.resume());
  report.pipe(process.stdout, { end: false });
  await finished(report);
  const count = (name: keyof typeof COUNTERS) => counts.get(name) ?? 0;
  times.sort(([, a], [, b]) => b - a);
  const failed = count('failed') + count('cancelled');
  return { passed: count('passed'), failed, skipped: count('skipped'), unsteady, times };
}

/** What is gathered while files run. */
type Gathered = Pick<Totals, 'unsteady' | 'times'> & { counts: Map<string, number> };

async function* allEvents(passes: TestPass[], signal: AbortSignal, gathered: Gathered) {
  const { counts } = gathered;
  const started = performance.now();
  const skipped: string[] = [];
  for await (const events of resultsInOrderOfEnd(passes, signal, gathered)) {
    for (const event of events) {
      const { name, file, skip } = event.data;
      if (event.type === 'test:pass' && skip) skipped.push(`not run: ${relative('', `${file}`)}: ${name}: ${skip}`);
      if (isRunSummary(event)) addCounts(event, counts);
      else if (!isSummaryLine(event)) yield event;
    }
  }
  for (const line of skipped) yield diagnostic(line);
  for (const [name, label] of Object.entries(COUNTERS)) yield diagnostic(`${label} ${counts.get(name) ?? 0}`);
  yield diagnostic(`duration_ms ${(performance.now() - started).toFixed(0)}`);
  // The reporter answers this with the details of what failed.
  yield { type: 'test:summary', data: {} };
}

/**
 * One list of events per file, so that the reports of files that run at once do not mingle. A file that fails is run once
 * more, alone, and the second run counts. A file that then passes is added to `unsteady`.
 */
async function* resultsInOrderOfEnd(passes: TestPass[], signal: AbortSignal, { unsteady, times }: Gathered) {
  const again: (Unsteady & { timeout: number })[] = [];
  const waiting = passes.map((pass) => ({ ...pass, files: [...pass.files] }));
  const running = new Map<string, { pass: TestPass; result: ReturnType<typeof runFile> }>();
  for (;;) {
    for (let pass = signal.aborted ? undefined : nextPass(waiting, running); pass; pass = nextPass(waiting, running)) {
      const file = pass.files.shift() as string;
      running.set(file, { pass, result: runFile(file, pass.timeout, signal) });
    }
    if (running.size === 0) break;
    const { file, events, seconds } = await Promise.race([...running.values()].map(({ result }) => result));
    const timeout = running.get(file)?.pass.timeout ?? 0;
    running.delete(file);
    times.push([file, seconds]);
    const failures = signal.aborted ? [] : failuresOf(events);
    if (failures.length > 0) again.push({ file, failures, timeout });
    yield failures.length === 0
      ? events
      : failures.map((line) => diagnostic(`failed, will run again: ${file}: ${line}`));
  }
  for (const { file, failures, timeout } of again) {
    const { events, seconds } = await runFile(file, timeout, signal);
    times.push([`${file} (again)`, seconds]);
    if (!signal.aborted && failuresOf(events).length === 0) unsteady.push({ file, failures });
    yield events;
  }
}

/** Returns the pass whose next file may start now: one with a free share, or the last one that has files. */
function nextPass<P extends TestPass>(waiting: P[], running: ReadonlyMap<string, { pass: TestPass }>): P | undefined {
  const [first, ...others] = waiting.filter((pass) => pass.files.length > 0);
  if (others.length === 0) return first !== undefined && running.size < first.alone ? first : undefined;
  const countOf = (pass: TestPass) => [...running.values()].filter((each) => each.pass === pass).length;
  return waiting.find((pass) => pass.files.length > 0 && countOf(pass) < pass.share);
}

/** Longest text of an error in the line about a failure. */
const MESSAGE_LENGTH = 1000;

/** Names of what failed, each with its error on one line. */
function failuresOf(events: readonly RunEvent[]): string[] {
  return events
    .filter(({ type }) => type === 'test:fail')
    .map(({ data }) => {
      const { error } = (data.details ?? {}) as { error?: { cause?: unknown; message?: string } };
      const message = String((error?.cause as Error | undefined)?.message ?? error?.message ?? error);
      return `${data.name}: ${message.replace(/\s*\n\s*/g, ' ').slice(0, MESSAGE_LENGTH)}`;
    });
}

/**
 * A run of its own for each file: the runner's own time-out stops a test but not a process that a leaked handle or an
 * endless loop keeps alive; the signal does. It ends the process of the file alone, so those that the file has started are
 * ended here.
 */
async function runFile(file: string, timeout: number, signal: AbortSignal) {
  const events: RunEvent[] = [];
  const started = performance.now();
  const timedOut = new AbortController();
  const timer = setTimeout(() => {
    // Once the file's process has ended, its children cannot be told from others.
    const started = fileProcesses(file);
    timedOut.abort();
    started.end();
  }, timeout);
  const stream = run({ files: [file], concurrency: 1, signal: AbortSignal.any([signal, timedOut.signal]) });
  for await (const event of stream as AsyncIterable<RunEvent>) events.push(event);
  clearTimeout(timer);
  if (timedOut.signal.aborted) events.push(diagnostic(`${file} was stopped: not finished after ${timeout / 1000} s`));
  return { file, events, seconds: (performance.now() - started) / 1000 };
}

function isRunSummary({ type, data }: RunEvent): boolean {
  return type === 'test:summary' && data.file === undefined;
}

function addCounts({ data }: RunEvent, counts: Map<string, number>): void {
  for (const [name, count] of Object.entries(data.counts as Record<string, number>)) {
    counts.set(name, (counts.get(name) ?? 0) + count);
  }
}

function isSummaryLine({ type, data }: RunEvent): boolean {
  return type === 'test:diagnostic' && data.nesting === 0 && SUMMARY_LINE.test(String(data.message));
}

function diagnostic(message: string): RunEvent {
  return { type: 'test:diagnostic', data: { nesting: 0, message, level: 'info' } };
}

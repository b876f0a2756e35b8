import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { readlink } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Transaction } from '../firewall/monitor.ts';
import { MonitorReader } from '../firewall/monitor.ts';
import { TOOL_ENVIRONMENT } from './run.ts';

export interface ForeignChange {
  /** `table`: our table was touched. `elsewhere`: other rules changed. `blind`: changes may have gone unseen for a moment. */
  readonly kind: 'table' | 'elsewhere' | 'blind';
  /** Name of the process that did it, if known. */
  readonly process: string | null;
}

/** A transaction of our own that the monitor is about to report. */
export interface OwnTransaction {
  startedAs(pid: number): void;
  ended(committed: boolean): void;
}

export interface Watch {
  expectOwn(): OwnTransaction;
  close(): Promise<void>;
}

/** Kernel constant: inode number of the machine's first process-id namespace (PROC_PID_INIT_INO). */
const FIRST_PID_NAMESPACE = 'pid:[4026531836]';
const RESTART_DELAY_MS = 1000;

/** Follows `nft monitor`, and starts it again whenever it ends. */
export async function watchTable(table: string, report: (change: ForeignChange) => void): Promise<Watch> {
  const pids = (await readlink('/proc/self/ns/pid').catch(() => '')) === FIRST_PID_NAMESPACE;
  return new TableWatch(table, report, pids);
}

class TableWatch implements Watch {
  readonly #table: string;
  readonly #report: (change: ForeignChange) => void;
  /** Whether process ids as the kernel prints them are the ids that we see; else transactions are counted. */
  readonly #pids: boolean;
  readonly #ownPids = new Set<number>();
  #ownPending = 0;
  #child: ChildProcess | null = null;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(table: string, report: (change: ForeignChange) => void, pids: boolean) {
    this.#table = table;
    this.#report = report;
    this.#pids = pids;
    this.#start();
  }

  expectOwn(): OwnTransaction {
    this.#ownPending += 1;
    return {
      startedAs: (pid) => this.#remember(pid),
      ended: (committed) => {
        if (!committed) this.#ownPending = Math.max(0, this.#ownPending - 1);
      },
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer) clearTimeout(this.#timer);
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill();
    await ended;
  }

  #start(): void {
    const child = spawn('nft', ['monitor'], { env: TOOL_ENVIRONMENT, stdio: ['ignore', 'pipe', 'ignore'] });
    this.#child = child;
    const reader = new MonitorReader(this.#table);
    createInterface({ input: child.stdout }).on('line', (line) => {
      const transaction = reader.line(line);
      if (transaction) this.#judge(transaction);
    });
    child.on('error', () => this.#restart());
    child.on('close', () => this.#restart());
  }

  #restart(): void {
    if (this.#closed || this.#timer) return;
    this.#ownPending = 0;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#start();
      this.#report({ kind: 'blind', process: null });
    }, RESTART_DELAY_MS);
    this.#timer.unref();
  }

  #judge({ pid, process, touched }: Transaction): void {
    if (this.#isOwn(pid, touched)) return;
    this.#report({ kind: touched ? 'table' : 'elsewhere', process });
  }

  #isOwn(pid: number, touched: boolean): boolean {
    if (this.#pids) return this.#ownPids.has(pid);
    if (!touched || this.#ownPending === 0) return false;
    this.#ownPending -= 1;
    return true;
  }

  /** Old ids are forgotten, since the kernel gives them again. */
  #remember(pid: number): void {
    this.#ownPids.add(pid);
    if (this.#ownPids.size <= 64) return;
    const oldest = this.#ownPids.values().next().value;
    if (oldest !== undefined) this.#ownPids.delete(oldest);
  }
}

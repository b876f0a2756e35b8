import { readlinkSync } from 'node:fs';
import type { Transaction } from '../firewall/monitor.ts';
import { MonitorReader } from '../firewall/monitor.ts';
import { Follower, type FollowOptions } from './follow.ts';

/** A change that another program made. */
export interface ForeignChange {
  /**
   * `table`: our table was touched. `elsewhere`: other rules changed. `blind`: for a moment, changes may have been
   * missed.
   */
  readonly kind: 'table' | 'elsewhere' | 'blind';
  /** Name of the process that made the change, if known. */
  readonly process: string | null;
}

/** A transaction of our own that the monitor is about to report. */
export interface OwnTransaction {
  startedAs(pid: number): void;
  ended(committed: boolean): void;
}

/** A running watch. `close` ends it. */
export interface Watch {
  expectOwn(): OwnTransaction;
  close(): Promise<void>;
}

/** Kernel constant: inode number of the machine's first process-id namespace (PROC_PID_INIT_INO). */
const FIRST_PID_NAMESPACE = 'pid:[4026531836]';

/**
 * Follows `nft monitor`, and restarts it whenever it ends. `failed` receives errors of a report. See
 * `FollowOptions.listening`.
 */
export function watchTable(
  table: string,
  report: (change: ForeignChange) => void,
  failed: (error: unknown) => void,
  listening?: (on: boolean) => void,
): Watch {
  return new TableWatch(table, report, { failed, ...(listening && { listening }) }, inFirstPidNamespace());
}

function inFirstPidNamespace(): boolean {
  try {
    return readlinkSync('/proc/self/ns/pid') === FIRST_PID_NAMESPACE;
  } catch {
    return false;
  }
}

class TableWatch implements Watch {
  readonly #report: (change: ForeignChange) => void;
  /**
   * Whether the kernel's process ids are the ids in our namespace. If not, our own transactions are counted instead.
   */
  readonly #pids: boolean;
  readonly #ownPids = new Set<number>();
  #ownPending = 0;
  readonly #follower: Follower;

  constructor(
    table: string,
    report: (change: ForeignChange) => void,
    follow: Pick<FollowOptions, 'failed' | 'listening'>,
    pids: boolean,
  ) {
    this.#report = report;
    this.#pids = pids;
    const reader = new MonitorReader(table);
    this.#follower = new Follower({
      tool: 'nft',
      args: ['monitor'],
      line: (text) => {
        const transaction = reader.line(text);
        if (transaction) this.#judge(transaction);
      },
      restarted: () => this.#restarted(),
      ...follow,
    });
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

  close(): Promise<void> {
    return this.#follower.close();
  }

  #restarted(): void {
    this.#ownPending = 0;
    this.#report({ kind: 'blind', process: null });
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

  /** Drops the id that was used least recently, because the kernel reuses ids. */
  #remember(pid: number): void {
    this.#ownPids.delete(pid);
    this.#ownPids.add(pid);
    if (this.#ownPids.size <= 64) return;
    const oldest = this.#ownPids.values().next().value;
    if (oldest !== undefined) this.#ownPids.delete(oldest);
  }
}

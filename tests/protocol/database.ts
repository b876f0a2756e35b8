import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '../../apps/controller/src/db/open.ts';
import { DatabaseUnavailable } from '../../apps/controller/src/db/postgres/failures.ts';
import type { PostgresPlace } from '../../apps/controller/src/db/postgres/place.ts';
import {
  type CountedDatabase,
  countedDatabase,
  type LostCommit,
} from '../../apps/controller/src/testing/counted-database.ts';

/** The database of one controller of a test, from one start of it to the next. */
export interface TestDatabase {
  open(): CountedDatabase | Promise<CountedDatabase>;
  /** The process dies: nothing that it does from now on reaches the database. */
  die(): void;
  remove(): void;
}

/** A file of its own. */
export class EmbeddedTestDatabase implements TestDatabase {
  readonly #folders: string[] = [];
  #file = this.#newFile();

  open(): CountedDatabase {
    return openDatabase(this.#file);
  }

  /** What is committed is in the file. The next start opens a copy of it. */
  die(): void {
    this.#file = this.backup();
  }

  /** Copies the database as it is on disk now; returns the path of the copy. */
  backup(): string {
    const copy = this.#newFile();
    for (const part of ['', '-wal']) if (existsSync(this.#file + part)) copyFileSync(this.#file + part, copy + part);
    return copy;
  }

  /** To be called while no controller has the database. */
  restore(backup: string): void {
    this.#file = backup;
  }

  remove(): void {
    for (const folder of this.#folders) rmSync(folder, { recursive: true });
  }

  #newFile(): string {
    const folder = mkdtempSync(join(tmpdir(), 'sallyport-protocol-'));
    this.#folders.push(folder);
    return join(folder, 'sallyport.db');
  }
}

/** A database on a PostgreSQL server, which several controllers may share. */
export class SharedTestDatabase implements TestDatabase {
  readonly #place: PostgresPlace;
  readonly #used: (by: 1 | -1) => void;
  #process = { dead: false };
  readonly #now: () => number;
  #reachable = true;
  /** Since when it reaches the server, or not. */
  changedAt: number;
  /** The next commits get no answer, each in its way. */
  lostCommits: LostCommit[] = [];

  /** `used` counts the uses of the database that are under way. */
  constructor(place: PostgresPlace, now: () => number, used: (by: 1 | -1) => void) {
    this.#place = place;
    this.#now = now;
    this.#used = used;
    this.changedAt = now();
  }

  /** Whether this controller reaches the server. It does when it starts. */
  get reachable(): boolean {
    return this.#reachable;
  }

  set reachable(reachable: boolean) {
    if (reachable !== this.#reachable) this.changedAt = this.#now();
    this.#reachable = reachable;
  }

  open(): CountedDatabase {
    const process = { dead: false };
    this.#process = process;
    this.reachable = true;
    const check = () => {
      if (process.dead) throw new Error('the process is dead');
      if (!this.reachable) throw new DatabaseUnavailable();
    };
    const loses = () => (process.dead ? null : (this.lostCommits.shift() ?? null));
    return countedDatabase(this.#place, { check, used: this.#used, loses });
  }

  die(): void {
    this.#process.dead = true;
  }

  remove(): void {}
}

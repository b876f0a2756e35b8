import type { Kysely } from 'kysely';
import type pg from 'pg';
import { OperatorError } from '../../errors.ts';
import type { Database } from '../schema.ts';
import { type KnownPrimary, refuseStale, replicationText, type Settled, settlePrimary, storeNote } from './primary.ts';
import type { Acceptance, Reached } from './server.ts';

/** Whether a failover can lose acknowledged changes. */
export interface Replication {
  /** `synchronous`: each commit waits for a standby. `none`: there is no standby. */
  readonly kind: 'synchronous' | 'asynchronous' | 'none';
  /** Standbys and other receivers of the log that are attached. */
  readonly standbys: number;
}

/** Where a process keeps what it knows of the primary server, for the next start. */
export interface PrimaryMemory {
  read(): KnownPrimary | null;
  write(known: KnownPrimary): void;
}

/** The primary server, as this process knows it and follows it from one server to the next. */
export class PrimaryServer {
  readonly #memory: PrimaryMemory | null;
  #known: KnownPrimary | null;
  #replication: Replication = { kind: 'none', standbys: 0 };
  /** Version of the newest note that this process has stored since the session was opened. */
  #stored = 0;
  #epoch: string | null = null;
  #noting: Promise<void> | null = null;

  constructor(memory: PrimaryMemory | null) {
    this.#memory = memory;
    this.#known = memory?.read() ?? null;
  }

  /** Null: the server does not tell. */
  get timeline(): number | null {
    return this.#known?.timeline ?? null;
  }

  get replication(): Replication {
    return this.#replication;
  }

  readonly accept: Acceptance = (client, server, place) => refuseStale(client, server, place, this.#known);

  /** Notes the epoch of this process. A look that finds a different epoch throws. */
  worksIn(epoch: string): void {
    this.#epoch = epoch;
  }

  /** Settles the server after a session was opened, with the lock of the controller. See `settlePrimary`. */
  async settle({ client, server }: Reached, behind: boolean): Promise<Settled> {
    const settled = await settlePrimary(client, server, this.#known, behind);
    if (settled.known !== null) this.#keep(settled.known);
    this.#stored = 0;
    await this.look(client);
    return settled;
  }

  /** Looks what may change while a server runs. Throws OperatorError when another process has begun a new epoch. */
  async look(client: pg.Client): Promise<void> {
    const { rows } = await client.query(`${replicationText}, (SELECT value FROM meta WHERE key = 'epoch') AS epoch`);
    const [{ waits, standbys, epoch }] = rows;
    this.#replication = { kind: waits === 1 ? 'synchronous' : standbys > 0 ? 'asynchronous' : 'none', standbys };
    const known = this.#known;
    if (known?.synchronous && waits !== 1) this.#keep({ ...known, synchronous: false, version: known.version + 1 });
    if (this.#epoch !== null && epoch !== null && epoch !== this.#epoch) throw new OperatorError(otherEpochText);
  }

  /** Stores whether commits wait for a standby, when that has changed. */
  note(db: Kysely<Database>): Promise<void> {
    // One at a time: the commit may wait for a standby.
    this.#noting ??= this.#note(db).finally(() => {
      this.#noting = null;
    });
    return this.#noting;
  }

  async #note(db: Kysely<Database>): Promise<void> {
    const known = this.#known;
    const { kind, standbys } = this.#replication;
    const waits = kind === 'synchronous';
    if (known === null || (waits && standbys === 0)) return;
    if (waits === known.synchronous && known.version <= this.#stored) return;
    // That commits wait is true of all earlier ones as soon as one has waited.
    const note = waits === known.synchronous ? known : { ...known, synchronous: waits, version: known.version + 1 };
    await storeNote(db, note);
    if (this.#known !== known) return;
    this.#stored = note.version;
    this.#keep(note);
  }

  #keep(known: KnownPrimary): void {
    if (JSON.stringify(known) !== JSON.stringify(this.#known)) this.#memory?.write(known);
    this.#known = known;
  }
}

const otherEpochText =
  'another controller has begun a new epoch, because the database server failed over and acknowledged changes may be lost: start again';

/** Says why a process ends that has begun a new epoch itself. */
export const lostText =
  'the database server failed over, and acknowledged changes of the last moments may be lost: a new epoch has begun. Start again';

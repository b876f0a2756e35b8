import type { IncomingMessage } from 'node:http';
import type { ChangeEvent } from '@sallyport/contract';
import type { TestController } from '../../protocol/controller.ts';
import { pick } from '../../protocol/dice.ts';
import type { Tenant, World } from '../../protocol/harness.ts';

/** Time before a client of a stream connects again, milliseconds. */
const pauseMs = 300;

/**
 * A client of a tenant's stream of changes. When the stream ends, it goes on at any controller from the last event that it
 * has read.
 */
export class Follower {
  readonly #world: World;
  readonly #tenant: Tenant;
  readonly #violated: (what: string) => void;
  readonly #dice: () => number;
  #last: number | null = null;
  /** Events since the last check. */
  #events: ChangeEvent[] = [];
  #checkedTo = 0;
  /** How often it had to connect again. */
  connections = 0;

  constructor(world: World, tenant: Tenant, dice: () => number, violated: (what: string) => void) {
    this.#world = world;
    this.#tenant = tenant;
    this.#dice = dice;
    this.#violated = violated;
  }

  /** Follows from the first revision on, until the world ends. */
  start(): void {
    this.#last = 0;
    this.#connect();
  }

  /** Whether it has read up to a revision. */
  hasRead(revision: number): boolean {
    return (this.#last ?? 0) >= revision;
  }

  /** Compares what was read with the change log, up to what was read. Tells what is missing, repeated or in the wrong order. */
  async check({ store }: TestController): Promise<void> {
    const [events, after] = [this.#events, this.#checkedTo];
    this.#events = [];
    const to = events.at(-1)?.revision ?? after;
    this.#checkedTo = to;
    const rows = await store.db
      .selectFrom('change_log')
      .select(['revision', 'kind', 'object_id', 'op'])
      .where('tenant_id', '=', this.#tenant.id)
      .where('revision', '>', after)
      .where('revision', '<=', to)
      .orderBy('revision')
      .orderBy('seq')
      .execute();
    const wanted = rows.map(({ revision, kind, object_id, op }) => `${revision} ${kind} ${object_id} ${op}`);
    const read = events.flatMap(({ revision, changes }) =>
      changes.map(({ kind, id, op }) => `${revision} ${kind} ${id} ${op}`),
    );
    const at = wanted.findIndex((change, n) => change !== read[n]);
    if (at >= 0 || wanted.length !== read.length)
      this.#violated(`a stream gave ${read[Math.max(at, 0)]} where the log has ${wanted[Math.max(at, 0)]}`);
  }

  #connect(): void {
    const running = this.#world.controllers.filter(({ up }) => up);
    if (running.length === 0) {
      this.#connectLater();
      return;
    }
    this.connections++;
    const answering = pick(this.#dice, running).stream(`/tenants/changes?since=${this.#last}`, this.#tenant.key);
    answering.then(
      (answer) => this.#read(answer),
      () => this.#connectLater(),
    );
  }

  #connectLater(): void {
    this.#world.clock.after(pauseMs, () => this.#connect());
  }

  #read(answer: IncomingMessage): void {
    if (answer.statusCode !== 200) {
      answer.resume();
      if (answer.statusCode !== 503) this.#violated(`a stream was answered with ${answer.statusCode}`);
      answer.once('close', () => this.#connectLater());
      return;
    }
    let rest = '';
    answer.setEncoding('utf8');
    answer.on('data', (text: string) => {
      const blocks = (rest + text).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) this.#take(block);
    });
    answer.on('error', () => undefined);
    answer.once('close', () => this.#connectLater());
  }

  #take(block: string): void {
    const data = /^data: ?(.*)$/m.exec(block)?.[1];
    if (data === undefined) return;
    const event: ChangeEvent = JSON.parse(data);
    this.#world.moved();
    if (event.revision <= (this.#last ?? 0))
      this.#violated(`a stream gave revision ${event.revision} after ${this.#last}`);
    this.#last = event.revision;
    this.#events.push(event);
  }
}

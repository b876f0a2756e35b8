import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import type { Work } from '@sallyport/agent-core';
import { StateHash, type StateItem } from '@sallyport/contract/channel';
import type { Store } from '../../apps/controller/src/db/store.ts';
import { type AgentOptions, TestAgent } from './agent.ts';
import { Clock } from './clock.ts';
import { type Answer, type Joined, type Method, TestController } from './controller.ts';
import { EmbeddedTestDatabase, type TestDatabase } from './database.ts';
import { dice, pick } from './dice.ts';
import { Oracle } from './oracle.ts';
import type { ProcessWatch } from './process-watch.ts';

/** Turns of the event loop without any event, after which only a timer can cause one. */
const quietTurns = 6;

/** A tenant with its key. */
export interface Tenant {
  readonly id: string;
  /** OWNER key. */
  readonly key: string;
}

/** What ends a world: a test, or a program. */
export interface Owner {
  after(work: () => Promise<void>): void;
}

/** Controllers that share a database. */
export interface Cluster {
  readonly size: number;
  database(controller: number): TestDatabase;
  skewMs(controller: number): number;
  join(controller: number, store: Store): Joined | Promise<Joined>;
  /** Hears what each process of a controller does. */
  watch?(controller: number): ProcessWatch;
}

/** One or several controllers and hosts with agents, connected by in-memory wires, with the time of one clock. */
export class World {
  readonly clock: Clock;
  readonly oracle = new Oracle();
  readonly controllers: readonly TestController[];
  /** The database file of the only controller. */
  readonly file = new EmbeddedTestDatabase();
  readonly agents: TestAgent[] = [];
  readonly dice: () => number;
  /** Longest delay of a piece on a connection, and longest job of a data plane, in milliseconds. */
  weather = { delayMs: 5, jobMs: 5 };
  /** Questions between controllers that wait for an answer or for the end of their time. */
  waits = 0;
  /** Hears every job of a data plane before it runs. */
  onWork: (agent: TestAgent, work: Work) => void = () => undefined;
  /** Observed violations of invariants. */
  readonly violations: string[] = [];
  #moves = 0;
  #requests = 0;
  #standstill = 0;

  private constructor(seed: number, cluster: ((world: World) => Cluster) | undefined, clock: Clock) {
    this.clock = clock;
    this.dice = dice(seed);
    const common = {
      clock: this.clock,
      oracle: this.oracle,
      delayMs: () => this.dice() * this.weather.delayMs,
      moved: this.moved,
    };
    const several = cluster?.(this);
    this.controllers =
      several === undefined
        ? [new TestController({ ...common, database: this.file })]
        : Array.from({ length: several.size }, (_, n) => {
            const join = (store: Store) => several.join(n, store);
            return new TestController({
              ...common,
              database: several.database(n),
              join,
              ...(several.watch && { watch: () => several.watch?.(n) ?? assert.fail() }),
              skewMs: () => several.skewMs(n),
            });
          });
  }

  /** The first controller. */
  get controller(): TestController {
    const [first] = this.controllers;
    assert.ok(first !== undefined);
    return first;
  }

  /** Ends with the test. An error in the controller's log fails the test. */
  static async open(t: Owner, seed = 1, cluster?: (world: World) => Cluster, clock = new Clock()): Promise<World> {
    const world = new World(seed, cluster, clock);
    for (const controller of world.controllers) await controller.start();
    t.after(async () => {
      for (const agent of world.agents) if (agent.session !== null) agent.kill();
      for (const controller of world.controllers) await world.drive(controller.close());
      const errors = world.controllers.flatMap(({ log }) => log.filter(({ level }) => level === 'error'));
      assert.deepEqual(errors, [], 'a controller logged errors');
      assert.deepEqual(world.violations, []);
    });
    return world;
  }

  /** Creates a host with this token; its agent does not run yet. */
  host(token: string): TestAgent {
    const agent = new TestAgent({
      clock: this.clock,
      controller: this.#door,
      token,
      source: `198.51.100.${this.agents.length + 1}`,
      moved: this.moved,
      dice: this.dice,
      jobMs: () => this.dice() * this.weather.jobMs,
      onWork: (host, work) => this.#check(host, work),
    });
    this.agents.push(agent);
    return agent;
  }

  /** Asks the first controller, or another one. */
  async request(
    tenant: Tenant,
    method: Method,
    path: string,
    body?: object,
    headers?: object,
    through = this.controller,
  ): Promise<Answer> {
    this.#requests++;
    try {
      return await through.request(method, path, tenant.key, body, headers);
    } finally {
      this.#requests--;
    }
  }

  /** Sends a request that must succeed; returns the parsed answer. */
  async ok(tenant: Tenant, method: Method, path: string, body?: object): Promise<Answer['json']> {
    const answer = await this.request(tenant, method, path, body);
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.json;
  }

  /** Advances time and runs everything that falls due. */
  async run(ms: number): Promise<void> {
    if (this.clock.isReal) return sleep(ms);
    const end = this.clock.now() + Math.ceil(ms);
    for (;;) {
      await this.settle();
      if (!this.#step(end)) break;
    }
    this.clock.advanceTo(end);
    await this.settle();
  }

  /** Advances time until the condition holds, at most this many milliseconds. Returns how many it took. */
  async until(what: string, condition: () => boolean | Promise<boolean>, withinMs = 60_000): Promise<number> {
    const start = this.clock.now();
    for (;;) {
      await this.settle();
      if (await condition()) return this.clock.now() - start;
      if (this.clock.isReal && this.clock.now() < start + withinMs) await sleep(50);
      else if (!this.#step(start + withinMs)) break;
    }
    throw new Error(`not within ${withinMs} ms: ${what}\n${this.trace()}`);
  }

  /** Advances time until some work is done that needs it. */
  async drive<T>(work: Promise<T>): Promise<T> {
    let done = false;
    const finished = work.finally(() => {
      done = true;
    });
    finished.catch(() => undefined);
    if (this.clock.isReal) return finished;
    do await this.settle();
    while (!done && this.#step(Number.POSITIVE_INFINITY));
    return finished;
  }

  /** Runs everything that can happen without advancing time. */
  async settle(): Promise<void> {
    if (this.clock.isReal) return new Promise((resolve) => setImmediate(resolve));
    let quiet = 0;
    for (let moves = this.#moves; quiet < quietTurns; moves = this.#moves) {
      await new Promise((resolve) => setImmediate(resolve));
      const still = moves === this.#moves && this.#requests <= this.waits && this.oracle.busy === 0;
      quiet = still ? quiet + 1 : 0;
    }
  }

  trace(): string {
    const agents = this.agents.map(
      (agent, n) => `host ${n}: ${agent.session?.phase ?? 'dead'}\n  ${agent.log.slice(-12).join('\n  ')}`,
    );
    const logs = this.controllers.flatMap(({ log }, n) =>
      log
        .slice(-10)
        .map(({ level, text, facts }) => `controller ${n}: ${level} ${text} ${inspect(facts, { depth: 3 })}`),
    );
    return [...agents, ...logs].join('\n');
  }

  /** Advances to the next due time; false when there is none before `end`. */
  #step(end: number): boolean {
    const { next } = this.clock;
    if (next === null || next > end) return false;
    this.#standstill = next > this.clock.now() ? 0 : this.#standstill + 1;
    assert.ok(this.#standstill < 10_000, `something is due again and again at the same moment\n${this.trace()}`);
    this.clock.advanceTo(next);
    return true;
  }

  /** Where agents connect: any controller that runs. */
  readonly #door: AgentOptions['controller'] = {
    isOpen: () => this.controllers.some(({ up }) => up),
    dial: (source) =>
      pick(
        this.dice,
        this.controllers.filter(({ up }) => up),
      ).dial(source),
  };

  /** To be called when something happens: the world is not quiet yet. */
  readonly moved = (): void => {
    this.#moves++;
  };

  /** Invariant of every job in any weather: it is true at its revision, signed, and within its lease. */
  #check(agent: TestAgent, work: Work): void {
    if (work.kind === 'close') return;
    this.onWork(agent, work);
    const { id } = agent;
    const wrong = (what: string) =>
      this.violations.push(this.violations.length === 0 ? `${what}\n${this.trace()}` : what);
    for (const item of work.items.values()) {
      const known = this.oracle.knows(id, hashOf(item));
      if (!known) wrong(`${item.key} of ${id} was never committed`);
    }
    const statement = agent.session?.desired.statement;
    if (!statement) return void wrong('a state without a statement');
    const { revision, hash, leaseUntil } = statement;
    const truths = this.oracle.truths(id).filter((truth) => truth.revision === revision.number);
    if (!truths.some((truth) => truth.hash === hash))
      wrong(`the state of ${id} at revision ${revision.number} is not what its rows say`);
    if (work.leaseUntil !== leaseUntil || agent.now() >= leaseUntil) wrong('a lease that was not given, or is over');
  }
}

/** Items are shared by many jobs. */
const hashes = new WeakMap<StateItem, string>();

function hashOf(item: StateItem): string {
  const hash = hashes.get(item) ?? StateHash.of([item]).toString();
  hashes.set(item, hash);
  return hash;
}

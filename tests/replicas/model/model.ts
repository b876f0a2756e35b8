import assert from 'node:assert/strict';
import type { TestController } from '../../protocol/controller.ts';
import { dice as diceOf, pick } from '../../protocol/dice.ts';
import { type Owner, type Tenant, World } from '../../protocol/harness.ts';
import { Storm } from '../../protocol/storm.ts';
import { Fencing, leaseMs } from './fencing.ts';
import { Follower } from './follower.ts';
import { Ledger } from './ledger.ts';
import type { Surroundings } from './surroundings.ts';

/** A history of replicas that share a database. */
export interface ModelOptions {
  readonly surroundings: Surroundings;
  readonly seed: number;
  /** Writes, failures and repairs, all together. */
  readonly steps: number;
  /** Told now and then how many steps are done. */
  readonly progress?: (steps: number) => void;
}

/** What a history had in it. */
export interface ModelOutcome {
  readonly steps: number;
  readonly writes: number;
  /** Writes without an answer that says whether they happened. */
  readonly unknown: number;
  readonly kinds: ReadonlySet<string>;
  /** Statements signed and acted on, and those signed while another process had the agent already. */
  readonly checked: Fencing['checked'];
  /** How often clients of streams had to connect again. */
  readonly connections: number;
}

/**
 * Runs a random history of writes, connections, crashes, partitions and wrong clocks over several replicas. Controllers,
 * agents and rows are real. The network between them, and the time, are real or those of the test. Between storms every agent must
 * hold what its rows say, compiled from scratch, and no acknowledged write may be missing.
 */
export async function runModel(t: Owner, options: ModelOptions): Promise<ModelOutcome> {
  const model = await Model.open(t, options);
  while (model.steps < options.steps) {
    await model.storm(60);
    await model.calm();
    options.progress?.(model.steps);
  }
  return model.outcome();
}

/** How long replicas and agents have to agree after a storm, milliseconds. */
const patienceMs = 180_000;

class Model {
  readonly #world: World;
  readonly #surroundings: Surroundings;
  readonly #fencing: Fencing;
  readonly #ledgers: Ledger[] = [];
  readonly #followers: Follower[] = [];
  readonly #storm: Storm;
  readonly #deleted: string[] = [];
  #steps = 0;

  static async open(t: Owner, { surroundings, seed }: ModelOptions): Promise<Model> {
    let fencing: Fencing | null = null;
    const { clock, reach } = surroundings;
    const make = (made: World) => {
      const violated = (what: string) => void made.violations.push(what);
      const fenced = new Fencing({ now: clock.now, reach, violated });
      fencing = fenced;
      made.onWork = (agent, work) => fenced.acted(agent, work);
      return { ...surroundings.cluster(made), watch: (n: number) => fenced.watch(n) };
    };
    const world = await World.open(t, seed, make, clock);
    const model = new Model(world, surroundings, fencing ?? assert.fail());
    for (const name of ['first', 'second']) await model.#furnish(name);
    return model;
  }

  private constructor(world: World, surroundings: Surroundings, fencing: Fencing) {
    this.#world = world;
    this.#surroundings = surroundings;
    this.#fencing = fencing;
    this.#storm = new Storm(world, surroundings.mischief(world), surroundings.without);
  }

  get steps(): number {
    return this.#steps;
  }

  outcome(): ModelOutcome {
    const sum = (figure: (ledger: Ledger) => number) => this.#ledgers.reduce((total, each) => total + figure(each), 0);
    return {
      steps: this.#steps,
      writes: sum(({ admin }) => admin.writes),
      unknown: sum(({ unknown }) => unknown),
      kinds: this.#storm.kinds,
      checked: this.#fencing.checked,
      connections: this.#followers.reduce((total, { connections }) => total + connections, 0),
    };
  }

  /** Writes and failures, at the same time. */
  async storm(steps: number): Promise<void> {
    const { dice } = this.#world;
    for (const end = this.#steps + steps; this.#steps < end; ) {
      const count = Math.ceil(dice() * 4);
      const writes = pick(dice, this.#ledgers).admin.act(count);
      for (let turns = Math.floor(dice() * 40); turns > 0; turns--) await new Promise((done) => setImmediate(done));
      await this.#storm.blow();
      await this.#world.drive(writes);
      this.#steps += count + 1;
      await this.#world.run(this.#surroundings.pauseMs(dice));
    }
  }

  /** Repairs everything, and checks that all is as the rows say. */
  async calm(): Promise<void> {
    const world = this.#world;
    this.#surroundings.repair();
    await this.#storm.calm();
    await world.run(2_000);
    const { admin } = pick(world.dice, this.#ledgers);
    this.#deleted.push(await admin.deleteGateway());
    world.host(await admin.gateway()).start();
    let wrong: string[] = [];
    const right = async () => {
      wrong = await this.#wrong();
      return wrong.length === 0;
    };
    await world.until('everything is as its rows say, at every replica', right, patienceMs).catch((error) => {
      throw new Error(`after ${this.#steps} steps: ${wrong.join('; ')}`, { cause: error });
    });
    for (const [n, ledger] of this.#ledgers.entries()) await world.drive(this.#check(ledger, of(this.#followers, n)));
    assert.deepEqual(world.violations, []);
    // From here on no agent, and no controller, has a reason to know them.
    for (const ledger of this.#ledgers) this.#fencing.revoked(ledger.takeRevoked());
  }

  async #furnish(name: string): Promise<void> {
    const { controller } = this.#world;
    const tenant = await controller.tenant(name);
    const { db } = controller.store;
    await db.updateTable('tenants').set({ lease_ms: leaseMs }).where('id', '=', tenant.id).execute();
    const ledger = new Ledger(this.#world, tenant);
    this.#ledgers.push(ledger);
    for (let n = 0; n < 3; n++) this.#world.host(await ledger.admin.gateway()).start();
    await ledger.admin.furnish();
    const follower = new Follower(this.#world, tenant, diceOf(this.#ledgers.length), (what) =>
      this.#world.violations.push(what),
    );
    this.#followers.push(follower);
    follower.start();
  }

  /** Returns what is not as it should be; empty when all is. */
  /** What costs much is looked at when the rest is right. */
  async #wrong(): Promise<string[]> {
    const { controllers, agents } = this.#world;
    const unlike = agents.flatMap(({ id, tornDown }, n) => {
      const presences = tornDown ? [] : controllers.map(({ app }) => app.agents.presence(id));
      const at = presences.findIndex(({ connected, converged }) => !connected || !converged);
      return at < 0 ? [] : [`host ${n} is not connected and converged at ${at}`];
    });
    const left = this.#deleted.filter((gateway) => !agents.find((agent) => agent.id === gateway)?.tornDown);
    const wrong = [...unlike, ...left.map((gateway) => `${gateway} is deleted, and its host is not torn down`)];
    return wrong.length > 0 ? wrong : (await Promise.all(this.#ledgers.map((_, n) => this.#unlikeRows(n)))).flat();
  }

  /** Compiles a tenant from its rows. */
  async #unlikeRows(n: number): Promise<string[]> {
    const { oracle, agents, controller } = this.#world;
    const { tenant } = of(this.#ledgers, n);
    if (!of(this.#followers, n).hasRead(await headOf(controller, tenant)))
      return [`the stream of tenant ${n} is behind`];
    const truth = await oracle.compile(controller.store, tenant.id);
    return agents.flatMap(({ id, plane }, at) =>
      truth.has(id) && plane.hash !== truth.get(id) ? [`host ${at} does not hold the state of its rows`] : [],
    );
  }

  async #check(ledger: Ledger, follower: Follower): Promise<void> {
    const { controllers, controller: any } = this.#world;
    for (const controller of controllers) {
      assert.deepEqual(
        await ledger.wrong(controller),
        [],
        'acknowledged writes are at every replica, deleted things not',
      );
    }
    assert.deepEqual(await ledger.misjudged(any), [], 'every write is there once, or not, as its sender was told');
    await follower.check(any);
    const revisions = await revisionsOf(this.#world.controller, ledger.tenant);
    assert.deepEqual(
      revisions,
      revisions.map((_, at) => at + 1),
      'revisions have no gap',
    );
  }
}

async function headOf(controller: TestController, tenant: Tenant): Promise<number> {
  const heads = controller.store.db.selectFrom('tenants').select('revision').where('id', '=', tenant.id);
  return (await heads.executeTakeFirstOrThrow()).revision;
}

async function revisionsOf(controller: TestController, tenant: Tenant): Promise<number[]> {
  const rows = await controller.store.db.selectFrom('change_log').select(['tenant_id', 'revision']).execute();
  const numbers = rows.filter(({ tenant_id }) => tenant_id === tenant.id).map(({ revision }) => revision);
  return [...new Set(numbers)].sort((a, b) => a - b);
}

function of<T>(all: readonly T[], n: number): T {
  const one = all[n];
  assert.ok(one !== undefined);
  return one;
}

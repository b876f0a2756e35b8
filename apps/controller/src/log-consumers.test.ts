import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { ChangeEvent } from '@sallyport/contract';
import fc from 'fast-check';
import { KnownAgents } from './beacon/known-agents.ts';
import { bySystem } from './db/contexts.ts';
import { createStore, type Notice, type Store } from './db/store.ts';
import { ApiError } from './errors.ts';
import { ApiKeyAuthenticator } from './features/api-keys/authenticator.ts';
import { dropOldEvents } from './features/audit/retention.ts';
import { ChangeFeed } from './features/changes/feed.ts';
import { GatewayLists } from './objects/gateways/list.ts';
import { ClockTimers } from './runtime/testing/clock-timers.ts';
import { Follower, freshRuntimes } from './runtime/testing/follower.ts';
import { RandomTenant } from './runtime/testing/random-tenant.ts';
import { publicKeyOf, revisionOf } from './testing/api.ts';
import { openTestApp, type TestApp } from './testing/harness.ts';

/** Carries notices of one store's own commits to another store, as late, as often and in the order that a test chooses. */
class Mail {
  static #delivering = false;
  readonly #to: Store;
  readonly #waiting: Notice[] = [];

  constructor(from: Store, to: Store) {
    this.#to = to;
    from.onCommit((notice) => {
      if (!Mail.#delivering) this.#waiting.push(notice);
    });
  }

  deliver(choice: number, again: boolean): void {
    const notice = this.#waiting[choice % Math.max(1, this.#waiting.length)];
    if (notice === undefined) return;
    if (!again) this.#waiting.splice(this.#waiting.indexOf(notice), 1);
    this.#hand(notice);
  }

  /** The latest first, and each twice. */
  deliverAll(): void {
    for (const notice of [...this.#waiting.toReversed(), ...this.#waiting]) this.#hand(notice);
    this.#waiting.length = 0;
  }

  #hand(notice: Notice): void {
    Mail.#delivering = true;
    this.#to.noticed(notice);
    Mail.#delivering = false;
  }
}

/** The change feed as one client follows it. A client whose revision is gone begins again from the present. */
class FeedClient {
  start = 0;
  events: ChangeEvent[] = [];

  async run(feed: ChangeFeed, tenant: string, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { start, batches } = await feed.follow(tenant, null, signal);
      [this.start, this.events] = [start, []];
      try {
        for await (const batch of batches) this.events.push(...batch);
      } catch (error) {
        assert.ok(error instanceof ApiError && error.code === 'changes_gone', String(error));
      }
    }
  }
}

/** One of each consumer of the log, over one store. */
class Consumers {
  readonly store: Store;
  readonly runtimes;
  readonly lists: GatewayLists;
  readonly keys: ApiKeyAuthenticator;
  readonly agents: KnownAgents;
  readonly feed = new FeedClient();
  readonly followers = new Map<string, Follower>();
  readonly #tenant: string;

  constructor(app: TestApp, store: Store) {
    this.store = store;
    this.#tenant = app.tenant.id;
    this.runtimes = freshRuntimes(app, store);
    this.lists = new GatewayLists(store, app.channel, ({ id }) => `token of ${id}`);
    this.keys = new ApiKeyAuthenticator(store);
    this.agents = new KnownAgents(store, { warn: assert.fail }, () => undefined);
  }

  /** Keeps up the states of these agents, and follows the feed. */
  async follow(t: TestContext, agents: readonly string[]): Promise<void> {
    const end = new AbortController();
    t.after(() => {
      end.abort();
      this.runtimes.stop();
    });
    void this.feed.run(new ChangeFeed(this.store), this.#tenant, end.signal);
    for (const id of agents) {
      const state = (await this.runtimes.current(id)) ?? assert.fail('no state');
      this.followers.set(id, new Follower(t, this.runtimes, id, state));
      await this.runtimes.current(id);
    }
  }

  /** Uses what they hold, so that they hold it and keep it. */
  async use({ secrets, publicKeys }: Known): Promise<unknown> {
    const text = (await this.lists.text(this.#tenant, true)).toString();
    const callers = await Promise.all([...secrets].map((secret) => this.keys.authenticate(secret)));
    const found = await Promise.all(publicKeys.map((key) => this.agents.find(key)));
    return { text, callers, found };
  }

  async states(agents: readonly string[]): Promise<unknown> {
    const states = await Promise.all(agents.map((id) => this.runtimes.current(id)));
    return states.map((state) => state && [state.revision.number, state.hash]);
  }
}

/** What the test has made and asks for again. */
interface Known {
  readonly secrets: Set<string>;
  readonly publicKeys: readonly string[];
}

async function start(t: TestContext) {
  const timers = new ClockTimers();
  const app = await openTestApp(t, { timers });
  timers.clock = app.clock;
  const tenant = new RandomTenant(app, timers);
  await tenant.fill();
  const replica = createStore(app.store.db, app.store.now);
  const agents = [...tenant.gateways, ...tenant.natives];
  const consumers = [new Consumers(app, app.store), new Consumers(app, replica)] as const;
  for (const each of consumers) await each.follow(t, agents);
  const mail = [new Mail(app.store, replica), new Mail(replica, app.store)] as const;
  const devices = await app.store.db.selectFrom('devices').select('public_key').where('id', 'in', agents).execute();
  const publicKeys = [...['one', 'two', ...spareKeys].map(publicKeyOf), ...devices.map((row) => row.public_key)];
  const known: Known = { secrets: new Set([app.tenant.key]), publicKeys };
  return { app, tenant, replica, agents, consumers, mail, known };
}

/** Names of keys that no agent has at first. */
const spareKeys = ['three', 'four', 'five'];

type Started = Awaited<ReturnType<typeof start>>;

/** Steps beside those of the random tenant: keys, re-keys, commits of the replica, and a log that loses its beginning. */
const ownSteps = {
  newSecret: async ({ app, known }: Started) => {
    const { json } = await app.request('POST', '/tenants/api-keys', { body: { name: 'k', role: 'AUDITOR' } });
    known.secrets.add(json.key);
  },
  dropSecret: async ({ app }: Started, a: number) => {
    const { json } = await app.request('GET', '/tenants/api-keys');
    const others = json.filter((key: { role: string }) => key.role !== 'OWNER');
    if (others.length > 0) await app.request('DELETE', `/tenants/api-keys/${others[a % others.length].id}`);
  },
  rekey: async ({ app, tenant }: Started, a: number) => {
    await app.request('POST', `/tenants/gateways/${tenant.gateways[a % 2]}/rekey`);
  },
  newKey: async ({ app, tenant }: Started, a: number, b: number) => {
    const key = publicKeyOf(spareKeys[b % spareKeys.length] ?? '');
    await app.parts.directory.agents.gateway.wireguardKeyChanged(tenant.gateways[a % 2] ?? '', key);
  },
  foreign: async ({ app, replica, tenant }: Started, a: number, b: number) => {
    await replica.write(bySystem(app.tenant.id, 'test'), async (tx) => {
      const [id, name] = [tenant.gateways[a % 2] ?? '', `foreign ${b}`];
      await tx.scoped.updateTable('gateways').set({ name }).where('id', '=', id).execute();
      tx.changed({ kind: 'gateway', id, op: 'update' });
    });
  },
  prune: async ({ app }: Started) => {
    await app.request('PATCH', '/tenants/settings', { body: { name: 'x', auditRetentionDays: 1 } });
    app.clock.now += 2 * 86_400_000;
    await dropOldEvents(app.store);
  },
};

async function assertSettled(t: TestContext, started: Started): Promise<void> {
  const { app, agents, consumers, mail, known } = started;
  for (const one of mail) one.deliverAll();
  const fresh = new Consumers(app, createStore(app.store.db, app.store.now));
  t.after(() => fresh.runtimes.stop());
  const [expected, states] = [await fresh.use(known), await fresh.states(agents)];
  for (const each of consumers) {
    assert.deepEqual(await each.states(agents), states);
    for (const [id, follower] of each.followers) {
      const state = await each.runtimes.current(id);
      if (state !== null) assert.equal(follower.hash, state.hash);
    }
    // The keys of the beacon and the feed are read after the notice, in a few turns of the event loop.
    const head = await revisionOf(app);
    const isSame = async () =>
      each.feed.start + each.feed.events.length === head &&
      JSON.stringify(await each.use(known)) === JSON.stringify(expected);
    for (let turns = 0; turns < 500 && !(await isSame()); turns++) await turn();
    assert.deepEqual(await each.use(known), expected);
    const { start, events } = each.feed;
    assert.deepEqual(
      events.map(({ revision }) => revision),
      Array.from({ length: head - start }, (_, n) => start + 1 + n),
    );
  }
}

test('notices that come late, twice and out of order leave every consumer as orderly ones do', async (t) => {
  const { move: _, ...steps } = (await start(t)).tenant.steps;
  const names = [...Object.keys(steps), ...Object.keys(ownSteps), ...Object.keys(ownSteps)];
  const letter = fc.record({ to: fc.nat(1), choice: fc.nat(30), again: fc.boolean() });
  const step = fc.record({
    name: fc.constantFrom(...names),
    a: fc.nat(60),
    b: fc.nat(60),
    letters: fc.array(letter, { maxLength: 3 }),
    used: fc.boolean(),
  });
  const property = fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 25 }), async (plan) => {
    const started = await start(t);
    const { tenant, consumers, mail, known, agents } = started;
    for (const { name, a, b, letters, used } of plan) {
      if (name in ownSteps) await ownSteps[name as keyof typeof ownSteps](started, a, b);
      else await tenant.steps[name as keyof typeof steps](a, b);
      for (const { to, choice, again } of letters) mail[to === 0 ? 0 : 1].deliver(choice, again);
      if (!used) continue;
      for (const each of consumers) await Promise.all([each.use(known), each.states(agents)]);
    }
    await assertSettled(t, started);
  });
  await fc.assert(property, { numRuns: 10, endOnFailure: true });
});

test('a runtime whose revision the log has lost reloads everything, and has its agents admitted again', async (t) => {
  const started = await start(t);
  const { app, tenant, consumers, mail } = started;
  const [, { runtimes, followers }] = consumers;
  const [gateway = '', other = ''] = tenant.gateways;
  const [laptop = ''] = tenant.natives;
  const [before] = (await runtimes.current(gateway))?.items() ?? [];
  assert.notEqual(before, undefined);
  await app.request('DELETE', `/tenants/devices/${laptop}`);
  for (const policy of tenant.ids.policies) await app.request('DELETE', `/tenants/policies/${policy}`);
  await app.request('POST', `/tenants/gateways/${other}/rekey`);
  await app.request('PATCH', '/tenants/settings', { body: { name: 'x', mtu: 1400, leaseSeconds: 7200 } });
  await ownSteps.prune(started);
  for (const one of mail) one.deliverAll();
  assert.equal(await runtimes.current(laptop), null);
  const fresh = freshRuntimes(app);
  for (const id of tenant.gateways) {
    const state = await runtimes.current(id);
    assert.equal(state?.hash, (await fresh.current(id))?.hash);
    assert.equal(followers.get(id)?.hash, state?.hash);
    assert.equal(followers.get(id)?.changes.at(-1)?.kind, 'unknown-identity');
  }
  assert.equal(runtimes.leaseMs(app.tenant.id), 7_200_000);
  assert.equal(followers.get(laptop)?.changes.at(-1)?.kind, 'deleted');
});

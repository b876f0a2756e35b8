import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type ControllerMessage,
  channelProtocol,
  type Revision,
  StateHash,
  type StateItem,
} from '@sallyport/contract/channel';
import fc from 'fast-check';
import { Delivery, type DeliveryStep } from './delivery.ts';
import { DeltaHistory } from './delta-history.ts';
import { itemsFor } from './items-for.ts';
import { StateFeed } from './state-feed.ts';
import { deviceItem, MemoryStates } from './testing/memory-states.ts';
import type { DesiredState } from './types.ts';

const bounds = { historyDeltas: 4, historyItems: 40 };
const gateway = 'g';
const settings = {
  agent: gateway,
  items: itemsFor(channelProtocol),
  sign: () => '',
  leaseMs: () => 86_400_000,
  deltaGapMs: 20,
  mostDeltaGapMs: 320,
  snapshotGapMs: 1_000,
};

/** An agent that believes what it is told, and fails the test where a real one would ask for everything. */
class Believer {
  readonly items = new Map<string, StateItem>();
  state: { revision: Revision; hash: string } | undefined;

  take(message: ControllerMessage): void {
    if (message.type === 'snapshot') this.items.clear();
    else if (message.type === 'delta')
      assert.equal(message.from, this.state?.hash, 'the delta leads on from its state');
    if (message.type === 'delta') for (const key of message.removes) this.items.delete(key);
    if (message.type === 'snapshot') for (const item of message.items) this.items.set(item.key, item);
    if (message.type === 'delta') for (const item of message.upserts) this.items.set(item.key, item);
    if (!('signed' in message)) return;
    const { revision, hash } = message.signed.statement;
    assert.equal(StateHash.of(this.items.values()).toString(), hash, 'the items give the signed hash');
    if (this.state?.revision.epoch === revision.epoch) {
      assert.ok(revision.number >= this.state.revision.number, 'revisions never go back');
    }
    this.state = { revision, hash };
  }
}

type Step =
  | { do: 'change'; put: number; drop: number; ttl: number }
  | { do: 'same-revision' | 'restore'; put: number }
  | { do: 'time'; ms: number }
  | { do: 'revision' | 'block' | 'unblock' | 'ask' | 'reconnect' | 'refollow' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('change'), put: fc.nat(6), drop: fc.nat(6), ttl: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('same-revision', 'restore'), put: fc.nat(6) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('time'), ms: fc.nat(3_000) }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom('revision', 'block', 'unblock', 'ask', 'reconnect', 'refollow') }),
  },
);

/** One gateway's states, feed and delivery, and an agent at the other end of a connection that loses nothing. */
class World {
  readonly states = new MemoryStates();
  readonly agent = new Believer();
  now = 0;
  #feed = new StateFeed(bounds);
  #delivery = new Delivery(settings, this.#feed);
  #unsubscribe = () => {};

  constructor() {
    this.states.add(gateway);
    this.#follow();
  }

  async do(s: Step): Promise<void> {
    if (s.do === 'change') {
      const item = deviceItem(`d${s.put}`, { expiresAt: s.ttl === 0 ? null : s.ttl });
      this.states.change(gateway, [item], s.drop === s.put ? [] : [`device/d${s.drop}`]);
    } else if (s.do === 'same-revision') {
      this.states.number--;
      this.states.change(gateway, [deviceItem(`d${s.put}`)]);
    } else if (s.do === 'restore') {
      this.states.epoch += '+';
      this.states.number = 0;
      this.states.change(gateway, [deviceItem(`d${s.put}`, { expiresAt: 99 })]);
    } else if (s.do === 'revision') this.states.tick();
    else if (s.do === 'time') this.now += s.ms;
    else if (s.do === 'ask') await this.#perform(this.#delivery.needSnapshot(this.now));
    else if (s.do === 'reconnect') await this.connect();
    else if (s.do === 'refollow') {
      this.#unsubscribe();
      this.#follow();
      await this.connect();
    } else this.#delivery.block(s.do === 'block');
    await this.flush();
  }

  async connect(): Promise<void> {
    this.#delivery = new Delivery(settings, this.#feed);
    const state = await this.desired();
    this.#feed.loaded(state);
    await this.#perform(this.#delivery.start(this.agent.state, state, this.now));
  }

  /** Sends what is due; returns how many messages that were. */
  async flush(): Promise<number> {
    return this.#perform(this.#delivery.flush(this.now));
  }

  async desired(): Promise<DesiredState> {
    const state = await this.states.current(gateway);
    if (state === null) throw new Error('no state');
    return state;
  }

  #follow(): void {
    const feed = (this.#feed = new StateFeed(bounds));
    this.#unsubscribe = this.states.subscribe(gateway, (change) => {
      if (change.kind === 'delta') feed.changed(change);
    });
  }

  async #perform(effects: readonly DeliveryStep[]): Promise<number> {
    let messages = 0;
    for (const effect of effects) {
      if (effect.kind === 'send') {
        this.agent.take(effect.message);
        messages++;
        continue;
      }
      const state = await this.desired();
      this.#feed.loaded(state);
      messages += await this.#perform(this.#delivery.loaded(state, this.now));
    }
    return messages;
  }
}

test('after any events, the agent ends at the desired state, with its items and expiry times', async () => {
  const byKey = (items: Iterable<StateItem>) => [...items].toSorted((a, b) => (a.key < b.key ? -1 : 1));
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const world = new World();
      await world.connect();
      for (const one of steps) await world.do(one);
      await world.do({ do: 'unblock' });
      for (let i = 0; i < 3; i++) await world.do({ do: 'time', ms: 5_000 });
      const { revision, hash, items } = await world.desired();
      assert.equal(world.agent.state?.hash, hash);
      assert.equal(world.agent.state?.revision.epoch, revision.epoch);
      assert.ok(world.agent.state.revision.number <= revision.number);
      assert.deepEqual(byKey(world.agent.items.values()), byKey(items()));
      assert.equal(await world.flush(), 0, 'and then it is quiet');
    }),
    { numRuns: 500 },
  );
});

test('in a stream of changes deltas that close nothing come ever more rarely, and one that closes comes at once', () => {
  const states = new MemoryStates();
  states.add(gateway);
  const feed = new StateFeed({ historyDeltas: 64, historyItems: 1_000 });
  states.subscribe(gateway, (change) => change.kind === 'delta' && feed.changed(change));
  feed.loaded({ revision: { epoch: states.epoch, number: states.number }, hash: states.hash(gateway) });
  const delivery = new Delivery(settings, feed);
  const first = { revision: { epoch: states.epoch, number: states.number }, hash: states.hash(gateway) };
  delivery.start(undefined, { ...first, items: () => [] }, -10_000);
  const sentAt: number[] = [];
  const run = (from: number, until: number, everyMs = 10) => {
    for (let now = from; now < until; now += everyMs) {
      states.change(gateway, [deviceItem(`d${now % 70}`, { expiresAt: now + 1 })]);
      if (delivery.flush(now).length > 0) sentAt.push(now);
    }
  };
  run(0, 2_000);
  assert.deepEqual(sentAt, [0, 20, 60, 140, 300, 620, 940, 1_260, 1_580, 1_900]);
  states.change(gateway, [], ['device/d0']);
  assert.equal(delivery.flush(1_990).length, 1, 'it closes something');
  sentAt.length = 0;
  run(5_000, 5_100);
  assert.deepEqual(sentAt, [5_000, 5_020, 5_060], 'after a quiet time');
  sentAt.length = 0;
  run(10_000, 10_200, 40);
  assert.deepEqual(sentAt, [10_000, 10_040, 10_080, 10_120, 10_160], 'single changes do not wait');
});

test('the history stays within its bounds', () => {
  const history = new DeltaHistory({ revision: { epoch: 'e', number: 0 }, hash: 'h0' }, 1, bounds);
  const push = (number: number, size: number) => {
    const upserts = Array.from({ length: size }, (_, i) => deviceItem(`d${i}`));
    history.push({
      revision: { epoch: 'e', number },
      hash: `h${number}`,
      delta: { upserts, removes: [] },
      closes: false,
    });
  };
  for (let number = 1; number <= 10; number++) push(number, 1);
  assert.equal(history.locate({ revision: { epoch: 'e', number: 5 }, hash: 'h5' }), null);
  assert.equal(history.since(history.locate({ revision: { epoch: 'e', number: 6 }, hash: 'h6' }) ?? -1)?.length, 4);
  assert.equal(history.locate({ revision: { epoch: 'other', number: 6 }, hash: 'h6' }), null);
  assert.equal(history.locate({ revision: { epoch: 'e', number: 8 }, hash: 'h6' }), null);
  push(11, 41);
  assert.equal(history.since(history.serial)?.length, 0);
  assert.equal(history.locate({ revision: { epoch: 'e', number: 10 }, hash: 'h10' }), null);
  assert.equal(history.locate({ revision: { epoch: 'e', number: 11 }, hash: 'h11' }), history.serial);
});

test('agents of protocol 3 are sent no names, in snapshots and deltas, under the same hash', async () => {
  const nameItem = (address: string): StateItem => {
    const id = 'wiki.corp.example';
    return { kind: 'name', key: `name/${id}`, id, addresses: [address], resources: [] };
  };
  for (const [protocol, expected] of [
    [3, [undefined, undefined]] as const,
    [4, ['100.96.0.1', '100.96.0.2']] as const,
  ]) {
    const states = new MemoryStates();
    states.add(gateway);
    const feed = new StateFeed(bounds);
    states.subscribe(gateway, (change) => change.kind === 'delta' && feed.changed(change));
    const delivery = new Delivery({ ...settings, items: itemsFor(protocol) }, feed);
    const agent = new Believer();
    const take = (steps: readonly DeliveryStep[]) => {
      for (const step of steps) if (step.kind === 'send') agent.take(step.message);
      const item = agent.items.get('name/wiki.corp.example');
      return item?.kind === 'name' ? item.addresses[0] : undefined;
    };
    states.change(gateway, [nameItem('100.96.0.1')]);
    const state = (await states.current(gateway)) ?? assert.fail('no state');
    feed.loaded(state);
    const first = take(delivery.start(undefined, state, 0));
    states.change(gateway, [nameItem('100.96.0.2')]);
    assert.deepEqual([first, take(delivery.flush(5_000))], expected);
    assert.equal(agent.state?.hash, feed.desired?.hash);
  }
});

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { noCountries } from './countries.ts';
import type { Replicas } from './replicas/types.ts';
import { TenantRuntimes } from './runtime/runtimes.ts';
import { ClockTimers } from './runtime/testing/clock-timers.ts';
import { RandomTenant } from './runtime/testing/random-tenant.ts';
import { Whereabouts } from './runtime/whereabouts.ts';
import { SharedWorld } from './shared-world.ts';
import { openTestApp, type TestApp } from './testing/harness.ts';
import { LossyFacts } from './testing/lossy-facts.ts';

/** Runtimes of one more replica on the store of an app. */
function replicaOf(t: TestContext, app: TestApp, replicas: Replicas) {
  const runtimes = new TenantRuntimes({
    store: app.store,
    epoch: 'one',
    took: () => undefined,
    log: { warn: assert.fail, error: assert.fail },
    whereabouts: new Whereabouts(noCountries),
  });
  t.after(() => runtimes.stop());
  const seen: string[] = [];
  const ended: string[] = [];
  const world = new SharedWorld({
    ...{ replicas, runtimes, now: app.store.now, log: { warn: () => assert.fail('no fact is malformed') } },
    seenElsewhere: (agent) => void seen.push(agent),
    endedElsewhere: (agent) => void ended.push(agent),
  });
  return { replicas, runtimes, world, seen, ended };
}

async function openTenant(t: TestContext) {
  const timers = new ClockTimers();
  const app = await openTestApp(t, { timers });
  timers.clock = app.clock;
  const tenant = new RandomTenant(app, timers);
  await tenant.fill();
  return { app, tenant };
}

async function joinBoth(t: TestContext, { app, tenant }: Awaited<ReturnType<typeof openTenant>>) {
  const network = new LossyFacts();
  const nodes = [0, 1].map(() => replicaOf(t, app, network.join(app.store.now)));
  const agents = [...tenant.gateways, ...tenant.natives];
  for (const { runtimes } of nodes) for (const id of agents) t.after(runtimes.subscribe(id, () => undefined));
  const hashes = async (runtimes: TenantRuntimes) =>
    Promise.all(agents.map(async (id) => (await runtimes.current(id))?.hash ?? null));
  for (const { runtimes } of nodes) await hashes(runtimes);
  return { network, nodes, hashes };
}

const sources = ['198.51.100.7', '203.0.113.7', '2001:db8::7'];

test('replicas that exchange facts in any order, with losses, end with the same states, and so does one that starts then', async (t) => {
  const tenancy = await openTenant(t);
  const { app, tenant } = tenancy;
  const step = fc.record({
    what: fc.constantFrom('moved', 'mapped', 'unreachable', 'store', 'store', 'write', 'pass'),
    ...{ node: fc.nat(1), a: fc.nat(60), b: fc.nat(60), heard: fc.boolean() },
  });
  const property = fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 30 }), async (steps) => {
    const { network, nodes, hashes } = await joinBoth(t, tenancy);
    const before = await hashes(nodes[0]?.runtimes ?? assert.fail());
    const one = (ids: readonly string[], n: number) => ids[n % ids.length] ?? assert.fail();
    for (const { what, node, a, b, heard } of steps) {
      const world = nodes[node]?.world ?? assert.fail();
      const id = app.tenant.id;
      if (what === 'moved') world.deviceMoved(id, one(tenant.ids.devices, a), one(sources, b));
      else if (what === 'mapped') {
        const endpoint = `192.0.2.9:${1000 + b}`;
        world.mapped(
          id,
          one(tenant.natives, a),
          b % 3 === 0 ? { kind: 'undecided' } : { kind: 'independent', endpoint },
        );
      } else if (what === 'unreachable')
        world.unreachable(id, one(tenant.gateways, a), tenant.ids.resources.slice(b % 3, 3));
      else if (what === 'store') network.store(node, () => heard);
      else if (what === 'write') await tenant.steps.tell(a, b);
      else app.clock.now += 7;
    }
    network.settle();
    const late = replicaOf(t, app, network.join(app.store.now));
    const expected = await hashes(late.runtimes);
    for (const { runtimes } of nodes) assert.deepEqual(await hashes(runtimes), expected);
    changed ||= before.some((hash, i) => hash !== expected[i]);
  });
  let changed = false;
  await fc.assert(property, { numRuns: 6 });
  assert.ok(changed, 'facts change states');
});

test('a replica knows what the beacon of another one sees until that one ends', async (t) => {
  const { app, tenant } = await openTenant(t);
  const { network, nodes } = await joinBoth(t, { app, tenant });
  const [one, two] = nodes;
  const [agent] = tenant.natives;
  assert.ok(one !== undefined && two !== undefined && agent !== undefined);
  const endpoint = '192.0.2.9:1000';
  one.world.mapped(app.tenant.id, agent, { kind: 'independent', endpoint });
  network.settle();
  assert.deepEqual(two.world.mappingElsewhere(agent), { kind: 'independent', endpoint });
  assert.equal(one.world.mappingElsewhere(agent), null, 'its own beacon sees it');
  assert.deepEqual([one.seen, two.seen.slice(0, 1)], [[], [agent]]);
  const stored = async () => (await two.runtimes.world(app.tenant.id)).devices.get(agent)?.endpoint;
  assert.equal(await stored(), endpoint);

  network.kill(one.replicas);
  assert.equal(two.world.mappingElsewhere(agent), null);
  assert.equal(await stored(), endpoint, 'peers keep the place until it is judged again');
  two.world.mapped(app.tenant.id, agent, { kind: 'undecided' });
  assert.equal(await stored(), null);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestAgent } from './agent.ts';
import { bringUp, openSmallWorld, revisionOf, type SmallWorld, statusIs, statusOf } from './small-world.ts';

const shown = ({ world, tenant, path }: SmallWorld) => world.ok(tenant, 'GET', path);

test('a new gateway is PENDING until its agent applied the state, then ONLINE, and deployedOn is set once', async (t) => {
  const small = await openSmallWorld(t);
  const { world, host } = small;
  const made = await shown(small);
  assert.deepEqual([made.status, made.deployedOn], ['PENDING', null]);
  host.plane.working = false;
  host.start();
  await world.run(60_000);
  assert.equal(await statusOf(small), 'PENDING', 'connected is not deployed');
  host.kill();
  host.plane.working = true;
  await bringUp(small);
  const { deployedOn } = await shown(small);
  assert.ok(deployedOn !== null);
  host.kill();
  await statusIs(small, 'OFFLINE');
  await world.run(3_600_000);
  await bringUp(small);
  assert.equal((await shown(small)).deployedOn, deployedOn);
});

test('a gateway stays ONLINE through a disconnect shorter than the grace period', async (t) => {
  const small = await openSmallWorld(t);
  const { world, host } = small;
  await bringUp(small);
  const away = async (ms: number) => {
    host.kill();
    const seen = new Set<string>();
    const end = world.clock.now() + ms;
    while (world.clock.now() < end) {
      await world.run(500);
      seen.add(await statusOf(small));
    }
    return [...seen];
  };
  assert.deepEqual(await away(14_000), ['ONLINE']);
  host.start();
  assert.ok((await world.until('the agent is back', () => host.live)) < 1_000);
  assert.equal(await statusOf(small), 'ONLINE');
  assert.deepEqual(await away(16_000), ['ONLINE', 'OFFLINE']);
  const { lastOnline } = await shown(small);
  await world.run(3_600_000);
  assert.equal((await shown(small)).lastOnline, lastOnline, 'the last moment known online stays');
});

test('a gateway on a half-open connection is OFFLINE after three missed heartbeats, and recovers on a new one', async (t) => {
  const small = await openSmallWorld(t);
  const { world, host } = small;
  await bringUp(small);
  await world.run(25_000);
  const before = await shown(small);
  host.wire?.halfOpen();
  const took = await statusIs(small, 'OFFLINE');
  assert.ok(took > 19_000 && took <= 30_000, `OFFLINE after ${took} ms`);
  assert.ok((await shown(small)).lastOnline >= before.lastOnline);
  assert.ok((await statusIs(small, 'ONLINE')) < 20_000, 'the agent notices as well');
  assert.equal(host.refused, null, 'nobody took it for a second agent');
});

test('a failure of the data plane is ERROR with its message, and clears by itself', async (t) => {
  const small = await openSmallWorld(t);
  const { world, tenant, path, host } = small;
  await bringUp(small);
  host.plane.failing = true;
  await world.ok(tenant, 'PATCH', path, { name: 'gateway', wireguardPort: '51821' });
  await statusIs(small, 'ERROR', 5_000);
  assert.equal((await shown(small)).error, 'The plane is broken. Mend it.');
  host.kill();
  await world.drive(world.controller.kill());
  await world.controller.start();
  await world.run(60_000);
  const away = await shown(small);
  assert.deepEqual([away.status, away.error], ['ERROR', 'The plane is broken. Mend it.'], 'also when both have died');
  host.plane.failing = false;
  host.start();
  await statusIs(small, 'ONLINE', 45_000);
  const { error } = await shown(small);
  assert.equal(error, undefined);
  assert.equal(portOf(host), 51821);
});

test('intents are shown, reach the agent, and can be reverted', async (t) => {
  const small = await openSmallWorld(t);
  const { world, tenant, path, host } = small;
  await bringUp(small);
  for (const [order, status] of [
    [{ status: 'MAINTENANCE' }, 'MAINTENANCE'],
    [{ status: 'OFFLINE' }, 'OFFLINE'],
    [{ intent: 'MAINTENANCE', status: 'OFFLINE' }, 'MAINTENANCE'],
    [{ status: 'PENDING' }, 'MAINTENANCE'],
    [{ status: 'ERROR' }, 'MAINTENANCE'],
    [{ status: 'ONLINE' }, 'ONLINE'],
  ] as const) {
    const answer = await world.ok(tenant, 'PATCH', path, { name: 'gateway', wireguardPort: '51820', ...order });
    assert.equal(answer.status, status, JSON.stringify(order));
    await world.until('the agent has the intent', () => intentOf(host) === answer.intent, 5_000);
    host.kill();
    await world.run(20_000);
    assert.equal(await statusOf(small), status === 'ONLINE' ? 'OFFLINE' : status);
    host.start();
    await world.until('the agent is back', () => host.live && host.session?.applied != null, 5_000);
    await statusIs(small, status, 5_000);
  }
});

test('writing back a whole object changes nothing in any status', async (t) => {
  const small = await openSmallWorld(t);
  const { world, tenant, path, host } = small;
  const writeBack = async () => {
    const read = await world.request(tenant, 'GET', path);
    const revision = await revisionOf(world, tenant);
    const { intent: _, ...published } = read.json;
    for (const body of [read.json, published]) {
      const written = await world.request(tenant, 'PATCH', path, body);
      assert.deepEqual([written.status, written.etag], [200, read.etag], written.text);
      assert.equal(await revisionOf(world, tenant), revision, `a revision was taken while ${read.json.status}`);
    }
    return read.json.status;
  };
  const seen = [await writeBack()];
  await bringUp(small);
  seen.push(await writeBack());
  host.plane.failing = true;
  host.damage('gateway');
  await statusIs(small, 'ERROR');
  seen.push(await writeBack());
  host.plane.failing = false;
  await statusIs(small, 'ONLINE');
  host.kill();
  await statusIs(small, 'OFFLINE');
  seen.push(await writeBack());
  await bringUp(small);
  assert.deepEqual(seen, ['PENDING', 'ONLINE', 'ERROR', 'OFFLINE']);
  assert.equal(intentOf(host), 'ACTIVE', 'a momentary OFFLINE did not become an order');
});

function gatewayItem(host: TestAgent) {
  const item = host.plane.inForce.get('gateway');
  return item?.kind === 'gateway' ? item : null;
}
const intentOf = (host: TestAgent) => gatewayItem(host)?.intent;
const portOf = (host: TestAgent) => gatewayItem(host)?.listenPort;

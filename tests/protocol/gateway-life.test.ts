import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestAgent } from './agent.ts';
import { type Tenant, World } from './harness.ts';

async function open(t: Parameters<typeof World.open>[0]) {
  const world = await World.open(t);
  const tenant = await world.controller.tenant('first');
  const made = await world.ok(tenant, 'POST', '/tenants/gateways', { name: 'one', wireguardPort: '51820' });
  const path = `/tenants/gateways/${made.id}`;
  return { world, tenant, made, path, host: world.host(made.token) };
}

const shown = (world: World, tenant: Tenant, path: string) => world.ok(tenant, 'GET', path);
const statusIs = (world: World, tenant: Tenant, path: string, status: string, withinMs?: number) =>
  world.until(status, async () => (await shown(world, tenant, path)).status === status, withinMs);

test('a gateway created by POST is PENDING until its agent has applied the state, then ONLINE, and deployedOn is set once', async (t) => {
  const { world, tenant, made, path, host } = await open(t);
  assert.deepEqual([made.status, made.deployedOn], ['PENDING', null]);
  host.plane.working = false;
  host.start();
  await world.run(60_000);
  assert.equal((await shown(world, tenant, path)).status, 'PENDING', 'connected is not deployed');
  host.kill();
  host.plane.working = true;
  host.start();
  await statusIs(world, tenant, path, 'ONLINE');
  const { deployedOn } = await shown(world, tenant, path);
  assert.ok(deployedOn !== null);
  host.kill();
  await statusIs(world, tenant, path, 'OFFLINE');
  await world.run(3_600_000);
  host.start();
  await statusIs(world, tenant, path, 'ONLINE');
  assert.equal((await shown(world, tenant, path)).deployedOn, deployedOn);
});

test('a gateway whose connection closes stays ONLINE for the grace, and one that returns within it never was OFFLINE', async (t) => {
  const { world, tenant, path, host } = await open(t);
  host.start();
  await statusIs(world, tenant, path, 'ONLINE');
  const away = async (ms: number) => {
    host.kill();
    const seen = new Set<string>();
    const end = world.clock.now() + ms;
    while (world.clock.now() < end) {
      await world.run(500);
      seen.add((await shown(world, tenant, path)).status);
    }
    return [...seen];
  };
  assert.deepEqual(await away(14_000), ['ONLINE']);
  host.start();
  assert.ok((await world.until('the agent is back', () => host.live)) < 1_000);
  assert.equal((await shown(world, tenant, path)).status, 'ONLINE');
  assert.deepEqual(await away(16_000), ['ONLINE', 'OFFLINE']);
  const { lastOnline } = await shown(world, tenant, path);
  await world.run(3_600_000);
  assert.equal((await shown(world, tenant, path)).lastOnline, lastOnline, 'the last moment known online stays');
});

test('a gateway on a half-open connection is OFFLINE after three missed heartbeats, and comes back on a new one', async (t) => {
  const { world, tenant, path, host } = await open(t);
  host.start();
  await statusIs(world, tenant, path, 'ONLINE');
  await world.run(25_000);
  const before = await shown(world, tenant, path);
  host.wire?.halfOpen();
  const took = await statusIs(world, tenant, path, 'OFFLINE');
  assert.ok(took > 19_000 && took <= 30_000, `OFFLINE after ${took} ms`);
  assert.ok((await shown(world, tenant, path)).lastOnline >= before.lastOnline);
  assert.ok((await statusIs(world, tenant, path, 'ONLINE')) < 20_000, 'the agent notices as well');
  assert.equal(host.refused, null, 'nobody took it for a second agent');
});

test('a failure of the data plane is ERROR with its sentence, and leaves by itself', async (t) => {
  const { world, tenant, path, host } = await open(t);
  host.start();
  await statusIs(world, tenant, path, 'ONLINE');
  host.plane.failing = true;
  await world.ok(tenant, 'PATCH', path, { name: 'one', wireguardPort: '51821' });
  await statusIs(world, tenant, path, 'ERROR', 5_000);
  assert.equal((await shown(world, tenant, path)).error, 'The plane is broken. Mend it.');
  host.kill();
  await world.drive(world.controller.kill());
  await world.controller.start();
  await world.run(60_000);
  const away = await shown(world, tenant, path);
  assert.deepEqual([away.status, away.error], ['ERROR', 'The plane is broken. Mend it.'], 'also when both have died');
  host.plane.failing = false;
  host.start();
  await statusIs(world, tenant, path, 'ONLINE', 45_000);
  const { error } = await shown(world, tenant, path);
  assert.equal(error, undefined);
  assert.equal(portOf(host), 51821);
});

test('intents are shown, reach the agent, and go again', async (t) => {
  const { world, tenant, path, host } = await open(t);
  host.start();
  await statusIs(world, tenant, path, 'ONLINE');
  for (const [order, status] of [
    [{ status: 'MAINTENANCE' }, 'MAINTENANCE'],
    [{ status: 'OFFLINE' }, 'OFFLINE'],
    [{ intent: 'MAINTENANCE', status: 'OFFLINE' }, 'MAINTENANCE'],
    [{ status: 'PENDING' }, 'MAINTENANCE'],
    [{ status: 'ERROR' }, 'MAINTENANCE'],
    [{ status: 'ONLINE' }, 'ONLINE'],
  ] as const) {
    const answer = await world.ok(tenant, 'PATCH', path, { name: 'one', wireguardPort: '51820', ...order });
    assert.equal(answer.status, status, JSON.stringify(order));
    await world.until('the agent has the intent', () => intentOf(host) === answer.intent, 5_000);
    host.kill();
    await world.run(20_000);
    assert.equal((await shown(world, tenant, path)).status, status === 'ONLINE' ? 'OFFLINE' : status);
    host.start();
    await world.until('the agent is back', () => host.live && host.session?.applied != null, 5_000);
    await statusIs(world, tenant, path, status, 5_000);
  }
});

test('a whole object written back changes nothing, whatever the status is at the time', async (t) => {
  const { world, tenant, path, host } = await open(t);
  const writeBack = async () => {
    const read = await world.request(tenant, 'GET', path);
    const revision = await revisionOf(world, tenant);
    const written = await world.request(tenant, 'PATCH', path, read.json);
    assert.deepEqual([written.status, written.etag], [200, read.etag], written.text);
    assert.equal(await revisionOf(world, tenant), revision, `a revision was taken while ${read.json.status}`);
    return read.json.status;
  };
  const seen = [await writeBack()];
  host.start();
  await statusIs(world, tenant, path, 'ONLINE');
  seen.push(await writeBack());
  host.plane.failing = true;
  host.damage('gateway');
  await statusIs(world, tenant, path, 'ERROR');
  seen.push(await writeBack());
  host.plane.failing = false;
  await statusIs(world, tenant, path, 'ONLINE');
  host.kill();
  await statusIs(world, tenant, path, 'OFFLINE');
  seen.push(await writeBack());
  host.start();
  await statusIs(world, tenant, path, 'ONLINE');
  assert.deepEqual(seen, ['PENDING', 'ONLINE', 'ERROR', 'OFFLINE']);
  assert.equal(intentOf(host), 'ACTIVE', 'a momentary OFFLINE did not become an order');
});

function gatewayItem(host: TestAgent) {
  const item = host.plane.inForce.get('gateway');
  return item?.kind === 'gateway' ? item : null;
}
const intentOf = (host: TestAgent) => gatewayItem(host)?.intent;
const portOf = (host: TestAgent) => gatewayItem(host)?.listenPort;

async function revisionOf(world: World, tenant: Tenant): Promise<number> {
  const rows = await world.controller.store.db.selectFrom('tenants').select(['id', 'revision']).execute();
  return rows.find(({ id }) => id === tenant.id)?.revision ?? Number.NaN;
}

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { until } from '@sallyport/testkit';
import { claimAgents, claimsSince } from '../../apps/controller/src/db/agent-holders.ts';
import { present } from '../../apps/controller/src/testing/channel.ts';
import { openTestApp } from '../../apps/controller/src/testing/harness.ts';
import { joinReplica } from '../../apps/controller/src/testing/shared-replicas.ts';
import { freshDatabase, serverOfFile } from './fixtures.ts';

const postgres = serverOfFile();

async function two() {
  const place = await freshDatabase(postgres.server);
  const [a, b] = [await joinReplica(place), await joinReplica(place)];
  await until('they see each other', () => [a, b].every(({ replicas }) => replicas.others().length === 1));
  return { a, b, place };
}

/** The whole controller at two replicas, whose channels are what the test says. */
async function controllers(t: TestContext) {
  const { a, b, place } = await two();
  // Registered first, so that it runs when the apps have ended.
  t.after(() => Promise.all([a.stop(), b.stop()]));
  const appA = await openTestApp(t, { store: a.store, replicas: a.replicas });
  const others = () => b.replicas.others().length;
  const appB = { ...(await openTestApp(t, { store: b.store, replicas: b.replicas })), others };
  const { tenant, request } = appA;
  const created = await request('POST', '/tenants/gateways', { body: { name: 'Berlin', wireguardPort: '51820' } });
  assert.equal(created.status, 201, created.text);
  const ref = { role: 'gateway', id: created.json.id as string, tenant: tenant.id } as const;
  const get = async (at: Pick<typeof appA, 'request'>) =>
    (await at.request('GET', `/tenants/gateways/${ref.id}`, { key: tenant.key })).json;
  return { place, appA, appB, ref, get };
}

test('claims of two replicas are made one after the other, and each takes the next generation', async () => {
  const { a, b } = await two();
  const wanted = Array.from({ length: 20 }, () => ({ agent: randomUUID(), tenant: 't' }));
  const claim = (at: typeof a, some = wanted) => claimAgents(at.store, at.replicas.self.id, some);
  const first = await claim(a);
  assert.deepEqual(new Set(first.map(({ generation, former }) => `${generation} ${former}`)), new Set(['1 null']));
  const all = await Promise.all([claim(b), claim(a, wanted.toReversed()), claim(b), claim(a, wanted.toReversed())]);
  for (const { agent } of wanted) {
    const generations = all.map((claimed) => claimed.find((one) => one.agent === agent)?.generation ?? 0);
    assert.deepEqual(generations.toSorted(), [2, 3, 4, 5]);
  }
  const late = await claimsSince(b.store, 0);
  assert.equal(late.length, 20);
  assert.ok(late.every(({ generation }) => generation === 5));
  assert.ok(
    late.every(({ at }) => Math.abs(at - b.store.now()) < 60_000),
    'in time of the database',
  );
  assert.deepEqual(await claimsSince(b.store, Math.max(...late.map(({ at }) => at)) + 1), []);
  await Promise.all([a.stop(), b.stop()]);
});

test('a gateway that is connected to one replica is shown by the other, with statistics that it is asked for', async (t) => {
  const { appA, appB, ref, get } = await controllers(t);
  await appA.parts.holding?.claim(ref);
  await appA.parts.directory.deployed(ref.id, appA.store.now());
  const statistics = { connectedDevices: 3, bytesIn: 10, bytesOut: 20, lastHandshake: null };
  appA.channel.show(ref.id, { ...present, statistics, lastSeen: appA.store.now() });
  await until('the other one shows it', async () => (await get(appB)).status === 'ONLINE');
  assert.equal((await get(appB)).statistics.connectedDevices, 3);
  const list = await appB.request('GET', '/tenants/gateways', { key: appA.tenant.key });
  assert.equal(list.json[0].status, 'ONLINE');
});

test('an agent that another replica claims is lost at once, and its status is then that of the other', async (t) => {
  const { appA, appB, ref, get } = await controllers(t);
  await appA.parts.directory.deployed(ref.id, appA.store.now());
  await appA.parts.holding?.claim(ref);
  appA.channel.show(ref.id, { ...present, lastSeen: appA.store.now() });
  assert.equal(await appB.parts.holding?.claim(ref), 2);
  appB.channel.show(ref.id, { ...present, error: 'of the second one', lastSeen: appB.store.now() });
  await until('the first one lost it', () => appA.channel.lost.includes(ref.id));
  await until('it shows what the second one tells', async () => (await get(appA)).status === 'ERROR');
  // What the former holder says now counts nowhere.
  appA.channel.show(ref.id, { ...present, lastSeen: appA.store.now() });
  assert.equal(appA.parts.holding?.generation(ref.id), undefined);
  assert.equal((await get(appB)).error, 'of the second one');
});

test('the agents of a killed replica stay shown until they had time to come back', async (t) => {
  const { place, appB, ref, get } = await controllers(t);
  const c = await joinReplica(place);
  await until('it is seen', () => appB.others() === 2);
  await appB.parts.directory.deployed(ref.id, c.store.now());
  const [claimed] = await claimAgents(c.store, c.replicas.self.id, [{ agent: ref.id, tenant: ref.tenant }]);
  const { connected, alive, converged, error, applied, safeToStop } = present;
  const status = { connected, alive, converged, error, applied, safeToStop, lastSeen: c.store.now() };
  const value = { ...status, heartbeatMs: 10_000, until: null };
  const generation = claimed?.generation ?? 0;
  c.replicas.facts.publish({ tenant: ref.tenant, kind: 'status', object: ref.id, value, generation });
  await until('it shows the agent', async () => (await get(appB)).status === 'ONLINE');
  await c.kill();
  await until('it is gone', () => appB.others() === 1);
  assert.equal((await get(appB)).status, 'ONLINE');
  await until('the time is over', async () => (await get(appB)).status === 'OFFLINE');
  assert.equal(await appB.parts.holding?.claim(ref), generation + 1);
  appB.channel.show(ref.id, { ...present, lastSeen: appB.store.now() });
  assert.equal((await get(appB)).status, 'ONLINE', 'it came back to another one');
});

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { until } from '@sallyport/testkit';
import { claimAgents, claimsSince } from '../../apps/controller/src/db/agent-holders.ts';
import { forgetDeletedAgents } from '../../apps/controller/src/db/deleted-agents.ts';
import { asOnlyRunner } from '../../apps/controller/src/db/jobs.ts';
import { openTestApp } from '../../apps/controller/src/testing/harness.ts';
import { joinReplica } from '../../apps/controller/src/testing/shared-replicas.ts';
import { freshDatabase, serverOfFile } from './fixtures.ts';

const postgres = serverOfFile();

test('what replicas noted of a deleted gateway goes with the upkeep, also when it comes late', async (t) => {
  const replica = await joinReplica(await freshDatabase(postgres.server));
  t.after(() => replica.stop());
  const { store, replicas } = replica;
  const { app, tenant, request } = await openTestApp(t, { store, replicas });
  const ids: string[] = [];
  for (const name of ['Berlin', 'Paris'])
    ids.push((await request('POST', '/tenants/gateways', { body: { name, wireguardPort: '51820' } })).json.id);
  const [deleted = '', kept = ''] = ids;
  const publish = async (kind: string, object: string) => {
    replicas.facts.publish({ tenant: tenant.id, kind, object, value: { a: 1 }, generation: 1 });
    await replicas.facts.settled();
  };
  const facts = async () => {
    const rows = await store.db.selectFrom('facts').select(['kind', 'object']).orderBy('object').execute();
    return rows.filter(({ object }) => ids.includes(object)).map(({ kind, object }) => `${kind} ${object}`);
  };
  for (const id of ids) await publish('noted', id);
  await claimAgents(
    store,
    replicas.self.id,
    ids.map((agent) => ({ agent, tenant: tenant.id })),
  );

  await app.maintain();
  assert.deepEqual(new Set(await facts()), new Set(ids.map((id) => `noted ${id}`)), 'both are there');

  assert.equal((await request('DELETE', `/tenants/gateways/${deleted}`)).status, 204);
  await app.maintain();
  assert.deepEqual(await facts(), [`noted ${kept}`]);
  const holders = await claimsSince(store, 0);
  assert.deepEqual(
    holders.map(({ agent }) => agent),
    [kept],
  );

  await publish('late', deleted);
  await publish('noted', deleted);
  await app.maintain();
  assert.deepEqual(await facts(), [`noted ${kept}`], 'late ones have gone as well');
});

test('many notes of deleted agents go in parts, beside a replica that writes them at the same time', async (t) => {
  const place = await freshDatabase(postgres.server);
  const [a, b] = [await joinReplica(place), await joinReplica(place)];
  t.after(() => Promise.all([a.stop(), b.stop()]));
  const agents = Array.from({ length: 250 }, () => randomUUID());
  const publish = ({ replicas }: typeof a) => {
    for (const object of agents)
      replicas.facts.publish({ tenant: 'gone', kind: 'noted', object, value: null, generation: 0 });
    return replicas.facts.settled();
  };
  const claim = ({ store, replicas }: typeof a) =>
    claimAgents(
      store,
      replicas.self.id,
      agents.map((agent) => ({ agent, tenant: 'gone' })),
    );
  for (let round = 0; round < 5; round++)
    await Promise.all([
      publish(a),
      publish(b),
      claim(a),
      claim(b),
      asOnlyRunner(a.store, 'upkeep', () => forgetDeletedAgents(a.store, 10)),
    ]);
  await forgetDeletedAgents(b.store, 10);
  const left = async () => (await a.store.db.selectFrom('facts').select('object').execute()).length;
  await until('no fact is left', async () => (await left()) === 0);
  assert.deepEqual(await claimsSince(a.store, 0), []);
  assert.deepEqual([...a.troubles, ...b.troubles], []);
});

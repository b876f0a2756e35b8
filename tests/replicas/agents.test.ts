import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { PgBouncer, until, withoutPgBouncer } from '@sallyport/testkit';
import type { StateChange } from '../../apps/controller/src/channel/types.ts';
import type { PostgresPlace } from '../../apps/controller/src/db/postgres/place.ts';
import { openTestApp } from '../../apps/controller/src/testing/harness.ts';
import { placeOf } from '../../apps/controller/src/testing/postgres.ts';
import { joinReplica } from '../../apps/controller/src/testing/shared-replicas.ts';
import { freshDatabase, serverOfFile } from './fixtures.ts';

const postgres = serverOfFile();

test('agents of one controller get what another one commits to the database', async (t) => {
  await changeOfOtherController(t, await freshDatabase(postgres.server));
});

test('agents of one controller get what another one commits through a pooler', {
  skip: withoutPgBouncer,
}, async (t) => {
  const place = await freshDatabase(postgres.server);
  const pooler = await PgBouncer.start(postgres.cleanup, postgres.server);
  await changeOfOtherController(t, { ...place, pooler: placeOf(pooler.url(place.database)) });
});

async function changeOfOtherController(t: TestContext, place: PostgresPlace): Promise<void> {
  const [first, second] = [await joinReplica(place), await joinReplica(place)];
  t.after(() => Promise.all([first.stop(), second.stop()]));
  const a = await openTestApp(t, { store: first.store, replicas: first.replicas });
  const b = await openTestApp(t, { store: second.store, replicas: second.replicas });
  const create = (name: string) =>
    a.request('POST', '/tenants/gateways', { key: a.tenant.key, body: { name, wireguardPort: '51820' } });
  const { json: gateway } = await create('g');
  const before = await b.parts.states.current(gateway.id, a.tenant.id);
  assert.ok(before !== null, 'the other controller compiles its state');
  const changes: StateChange[] = [];
  b.parts.states.subscribe(gateway.id, (change) => changes.push(change));
  const path = `/tenants/gateways/${gateway.id}`;
  const changed = await a.request('PATCH', path, { key: a.tenant.key, body: { name: 'g', wireguardPort: '51821' } });
  assert.equal(changed.status, 200, changed.text);
  await until('the change arrives', () => changes.some(({ kind }) => kind === 'delta'));
  const own = await a.parts.states.current(gateway.id, a.tenant.id);
  const other = await b.parts.states.current(gateway.id, a.tenant.id);
  assert.deepEqual([other?.hash, other?.revision], [own?.hash, own?.revision], 'both compile the same');
  assert.notEqual(other?.hash, before.hash);
  assert.equal((await a.request('DELETE', path, { key: a.tenant.key })).status, 204);
  await until('the end arrives', () => changes.at(-1)?.kind === 'deleted');
}

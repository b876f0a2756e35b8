import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { openDatabase } from '../../apps/controller/src/db/open.ts';
import { admits, bringUp, openSmallWorld, revisionOf, type SmallWorld, statusIs } from './small-world.ts';

const portOf = ({ host }: SmallWorld) => {
  const item = host.plane.inForce.get('gateway');
  return item?.kind === 'gateway' ? item.listenPort : null;
};

const setPort = ({ world, tenant, path }: SmallWorld, port: number) =>
  world.ok(tenant, 'PATCH', path, { name: 'gateway', wireguardPort: String(port) });

/** A gateway at a later revision than the backup of the database. */
async function withBackup(small: SmallWorld): Promise<string> {
  const { world, tenant, policy } = small;
  await bringUp(small);
  const backup = world.file.backup();
  await setPort(small, 1001);
  await setPort(small, 1002);
  await world.ok(tenant, 'DELETE', `/tenants/policies/${policy.id}`);
  await world.until('the agent has it all', () => portOf(small) === 1002 && !admits(small));
  return backup;
}

async function restore({ world }: SmallWorld, backup: string, prepare = async (): Promise<void> => undefined) {
  await world.drive(world.controller.stop());
  world.file.restore(backup);
  await prepare();
  await world.controller.start();
}

test('agents accept a restored backup in a new epoch, whatever its revisions', async (t) => {
  const small = await openSmallWorld(t);
  const { world } = small;
  const backup = await withBackup(small);
  await restore(small, backup, async () => {
    const db = openDatabase(backup);
    await db.updateTable('meta').set({ value: randomUUID() }).where('key', '=', 'epoch').execute();
    await db.destroy();
  });
  await world.until('the agent is where the backup is', () => portOf(small) === 51820 && admits(small));
  await statusIs(small, 'ONLINE');
  await setPort(small, 1003);
  await world.until('changes go on', () => portOf(small) === 1003);
});

test('agents accept a restored backup in the same epoch only once its revisions pass theirs, and the gateway is not ONLINE before', async (t) => {
  const small = await openSmallWorld(t);
  const { world, tenant, host } = small;
  const backup = await withBackup(small);
  const known = host.session?.desired.statement?.revision.number ?? Number.NaN;
  await restore(small, backup);
  assert.ok((await revisionOf(world, tenant)) < known);
  await world.run(60_000);
  assert.deepEqual([portOf(small), admits(small)], [1002, false], 'the agent goes on with what it has');
  const shown = await world.ok(tenant, 'GET', small.path);
  assert.equal(shown.status, 'ERROR');
  assert.match(shown.error, /database seems to be an older copy: start the controller once with --new-epoch true/);
  assert.ok(
    host.log.some((line) => /revision goes back/.test(line)),
    'and says why',
  );
  while ((await revisionOf(world, tenant)) < known) await setPort(small, 2000 + (await revisionOf(world, tenant)));
  await setPort(small, 3000);
  await statusIs(small, 'ONLINE');
  assert.deepEqual([portOf(small), admits(small)], [3000, true], 'as the rows say');
});

test('an agent that the restored backup cannot reach closes at the end of its lease', async (t) => {
  const small = await openSmallWorld(t, { leaseMs: 3_600_000 });
  const { world, host } = small;
  const backup = await withBackup(small);
  await restore(small, backup);
  await world.run(3_590_000);
  assert.notEqual(host.plane.hash, null);
  await world.run(20_000);
  assert.equal(host.plane.hash, null);
});

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { until } from '@sallyport/testkit';
import type { Actor, Store } from '../../apps/controller/src/db/store.ts';
import { MasterKeyRotation } from '../../apps/controller/src/rotation/master-key.ts';
import { SigningKeyRotation } from '../../apps/controller/src/rotation/signing-key.ts';
import { createSecretBox } from '../../apps/controller/src/secrets/box.ts';
import { loadIdentity } from '../../apps/controller/src/secrets/identity.ts';
import { replaceMasterKeys } from '../../apps/controller/src/secrets/master-key.ts';
import { type MemoryReplica, MemoryReplicas } from '../../apps/controller/src/testing/replicas.ts';
import { openSharedStores } from '../../apps/controller/src/testing/shared-stores.ts';
import { serverOfFile } from './fixtures.ts';

const postgres = serverOfFile();

const operator: Actor = { kind: 'operator', id: null, name: 'operator' };
const key = Buffer.alloc(32, 1);

/** The part of a replica that has keys. */
async function started(store: Store, replicas: MemoryReplica) {
  const box = createSecretBox(key);
  const identity = await loadIdentity(store, box);
  const moves: string[] = [];
  const rotation = new SigningKeyRotation({
    ...{ store, box, identity, replicas },
    moveAgents: () => void moves.push(identity.fingerprint),
    failed: () => undefined,
  });
  return { box, identity, rotation, moves, replicas, store };
}

async function open(t: TestContext) {
  const { stores, clock } = await openSharedStores(t, postgres.server.url());
  const network = new MemoryReplicas(() => clock.now);
  const a = await started(stores[0], network.join('a'));
  const b = await started(stores[1], network.join('b'));
  return { a, b, network };
}

test('every replica takes a new signing key, and forgets the old one, before the command ends', async (t) => {
  const { a, b } = await open(t);
  const before = a.identity.fingerprint;
  await a.rotation.rotate(operator);
  assert.notEqual(a.identity.fingerprint, before);
  for (const { identity, moves } of [a, b]) {
    assert.equal(identity.fingerprint, a.identity.fingerprint);
    assert.equal(identity.earlier?.fingerprint, before);
    assert.deepEqual(moves, [a.identity.fingerprint]);
  }
  await b.rotation.rotate(operator);
  assert.equal(b.identity.earlier?.fingerprint, before, 'the second replica begins no second rotation');
  await b.rotation.finish(operator);
  for (const { identity } of [a, b]) assert.equal(identity.earlier, null);
  await assert.rejects(a.rotation.finish(operator), /no signing key is being replaced/);
});

test('a replica that does not answer holds up both commands, and takes the key when it is back', async (t) => {
  const { a, b, network } = await open(t);
  const before = a.identity.fingerprint;
  const road = `${a.replicas.self.id} ${b.replicas.self.id}`;
  network.cut.add(road);
  await assert.rejects(a.rotation.rotate(operator), /do not answer, or have another signing key: b \(/);
  assert.deepEqual([a.identity.fingerprint, a.identity.earlier], [before, null]);
  network.cut.delete(road);
  await a.rotation.rotate(operator);
  network.cut.add(road);
  await assert.rejects(a.rotation.finish(operator), /do not answer/);
  assert.equal(a.identity.earlier?.fingerprint, before, 'its agents may still know the old key only');
  network.kill(b.replicas);
  await a.rotation.finish(operator);
  // What was cut off has missed it; it learns of it as soon as the replicas change.
  const late = await started(b.store, network.join('late'));
  assert.equal(late.identity.fingerprint, a.identity.fingerprint);
  await b.rotation.take();
  assert.deepEqual([b.identity.fingerprint, b.identity.earlier], [a.identity.fingerprint, null]);
});

test('a replica that missed the message takes the key when replicas come or go', async (t) => {
  const { a, b, network } = await open(t);
  const alone = await started(a.store, new MemoryReplicas(a.store.now).join('elsewhere'));
  await alone.rotation.rotate(operator);
  assert.notEqual(b.identity.fingerprint, alone.identity.fingerprint);
  network.join('c');
  await until('both have it', () =>
    [a, b].every(({ identity }) => identity.fingerprint === alone.identity.fingerprint),
  );
});

test('two replicas that replace the key at once make one new key', async (t) => {
  const { a, b } = await open(t);
  const outcomes = await Promise.allSettled([a.rotation.rotate(operator), b.rotation.rotate(operator)]);
  assert.ok(outcomes.some(({ status }) => status === 'fulfilled'));
  for (const one of outcomes)
    if (one.status === 'rejected')
      assert.match(String(one.reason.message), /another controller works on the signing key/);
  await Promise.all([a.rotation.take(), b.rotation.take()]);
  for (const { identity } of [a, b]) {
    assert.equal(identity.fingerprint, a.identity.fingerprint);
    assert.equal(identity.successions.length, 1);
  }
});

test('the master key is not replaced while another replica is alive', async (t) => {
  const { a, b, network } = await open(t);
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-keys-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'master.key');
  replaceMasterKeys(file, [key]);
  const { store, box, replicas } = a;
  const rotation = new MasterKeyRotation({ store, box, replicas, file, whileNoBackup: (work) => work() });
  const text = /other controllers use the same database, .* b \(/;
  await assert.rejects(rotation.rotate(operator), text);
  assert.equal((await rotation.status()).earlier, null);
  network.kill(b.replicas);
  await rotation.rotate(operator);
  network.join('b');
  await assert.rejects(rotation.finish(operator), text);
});

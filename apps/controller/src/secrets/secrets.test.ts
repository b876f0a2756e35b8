import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { testFolder } from '../testing/controller-process.ts';
import { openTestStore } from '../testing/harness.ts';
import { createSecretBox } from './box.ts';
import { beginEpoch, loadIdentity } from './identity.ts';
import { readMasterKeys, writeMasterKey } from './master-key.ts';

const box = createSecretBox(Buffer.alloc(32, 1));

test('a sealed text opens only with the same key and purpose, and only unchanged', () => {
  const sealed = box.seal('secret — ünïcode', 'token a');
  assert.equal(box.open(sealed, 'token a'), 'secret — ünïcode');
  assert.notEqual(box.seal('secret — ünïcode', 'token a'), sealed);
  assert.throws(() => box.open(sealed, 'token b'));
  assert.throws(() => createSecretBox(Buffer.alloc(32, 2)).open(sealed, 'token a'));
  const bytes = Buffer.from(sealed, 'base64');
  for (const at of [0, 12, bytes.length - 1]) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.throws(() => box.open(changed.toString('base64'), 'token a'));
  }
  assert.throws(() => box.open('', 'token a'));
});

test('keyed hashes are the same for the same key and no other', () => {
  assert.equal(box.keyedHash('x'), createSecretBox(Buffer.alloc(32, 1)).keyedHash('x'));
  assert.notEqual(box.keyedHash('x'), createSecretBox(Buffer.alloc(32, 2)).keyedHash('x'));
});

test('a master key is written for its owner only; what is no key is refused', (t) => {
  const file = join(testFolder(t), 'master.key');
  assert.throws(() => readMasterKeys(file), { name: 'OperatorError', message: /there is no file/ });
  const made = writeMasterKey(file, Buffer.alloc(32, 7));
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(readMasterKeys(file), [made]);
  writeFileSync(file, 'short');
  assert.throws(() => readMasterKeys(file), /64 hexadecimal digits/);
});

test('the controller’s identity lives as long as its database, and signs', async (t) => {
  const store = await openTestStore(t);
  const first = await loadIdentity(store, box);
  const again = await loadIdentity(store, box);
  assert.deepEqual(
    [again.key.publicKey, again.fingerprint, again.epoch],
    [first.key.publicKey, first.fingerprint, first.epoch],
  );
  const x = Buffer.from(first.key.publicKey, 'base64').toString('base64url');
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  assert.ok(verify(null, Buffer.from('text'), key, Buffer.from(again.key.sign('text'), 'base64')));
  await assert.rejects(loadIdentity(store, createSecretBox(Buffer.alloc(32, 9))), /master key does not fit/);
});

test('a new epoch keeps the identity: agents know the controller, and take what it says as new', async (t) => {
  const store = await openTestStore(t);
  const first = await loadIdentity(store, box);
  await beginEpoch(store);
  const again = await loadIdentity(store, box);
  assert.equal(again.key.publicKey, first.key.publicKey);
  assert.notEqual(again.epoch, first.epoch);
});

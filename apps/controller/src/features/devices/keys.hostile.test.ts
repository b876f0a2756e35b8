import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadBeaconKeys } from '../../beacon/keys.ts';
import { createSecretBox } from '../../secrets/box.ts';
import { assertRefused, publicKeyOf } from '../../testing/api.ts';
import { openTestApp } from '../../testing/harness.ts';

const path = '/tenants/devices';
const base64 = (hex: string): string => Buffer.from(hex, 'hex').toString('base64');

test("no device is registered with one of the controller's own keys", async (t) => {
  const app = await openTestApp(t);
  const { ports, probe } = await loadBeaconKeys(app.store, createSecretBox(Buffer.alloc(32, 7)));
  const keys = [...ports, probe].map(({ publicKey }) => publicKey);
  assert.equal(keys.length, 3);
  for (const publicKey of keys)
    for (const key of [app.tenant.key, app.other.key])
      await assertRefused(app, ['POST', path, { body: { name: 'x', publicKey }, key }], 409, 'public_key_taken', [
        '/publicKey',
      ]);
});

test('no device is registered with a key that keeps no secret, or with a second spelling of one', async (t) => {
  const app = await openTestApp(t);
  const good = Buffer.from(publicKeyOf('laptop'), 'base64');
  const alias = Buffer.from(good);
  alias[31] = (alias[31] ?? 0) | 0x80;
  const bad = [
    base64('00'.repeat(32)),
    base64(`01${'00'.repeat(31)}`),
    base64('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800'),
    base64('5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157'),
    base64(`ec${'ff'.repeat(30)}7f`),
    base64(`ed${'ff'.repeat(30)}7f`),
    base64(`ee${'ff'.repeat(30)}7f`),
    base64('ff'.repeat(32)),
    alias.toString('base64'),
  ];
  for (const publicKey of bad)
    await assertRefused(app, ['POST', path, { body: { name: 'x', publicKey } }], 400, 'invalid_request', [
      '/publicKey',
    ]);
  assert.equal(
    (await app.request('POST', path, { body: { name: 'x', publicKey: publicKeyOf('laptop') } })).status,
    201,
  );
});

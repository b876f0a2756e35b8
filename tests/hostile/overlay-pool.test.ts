import assert from 'node:assert/strict';
import { test } from 'node:test';
import { publicKeyOf } from '../../apps/controller/src/testing/api.ts';
import { openTestApp } from '../../apps/controller/src/testing/harness.ts';

test('a tenant that creates and deletes devices endlessly reuses its own addresses', async (t) => {
  const app = await openTestApp(t, { writeRate: { perSecond: 1_000, burstSeconds: 1 } });
  const addresses = new Set<string>();
  for (let day = 0; day < 6; day++) {
    for (let count = 0; count < 100; count++) {
      const body = { name: 'x', publicKey: publicKeyOf(`${day} ${count}`) };
      const { status, json } = await app.request('POST', '/tenants/devices', { body });
      assert.equal(status, 201);
      addresses.add(json.overlayAddresses[0]);
      assert.equal((await app.request('DELETE', `/tenants/devices/${json.id}`)).status, 204);
    }
    app.clock.now += 24 * 3600 * 1000;
  }
  assert.equal(addresses.size, 200, 'those of two days, for two days is how long they rest');
});

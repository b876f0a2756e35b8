import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTestApp } from '../../testing/harness.ts';

const body = { name: 'Berlin', wireguardPort: '51820' };

test('a gateway is created PENDING with a readable token, and read back the same', async (t) => {
  const app = await openTestApp(t);
  const created = await app.request('POST', '/tenants/gateways', { body });
  assert.equal(created.status, 201, created.text);
  assert.equal(created.json.status, 'PENDING');
  assert.equal(created.json.deployedOn, null);
  assert.match(created.json.token, /^sgw_[0-9a-f]{32}_[\w-]{43}_[\w-]{22}$/);
  const read = await app.request('GET', `/tenants/gateways/${created.json.id}`);
  const { statistics, ...same } = read.json;
  assert.deepEqual(same, created.json);
  assert.deepEqual(statistics, { connectedDevices: 0, bytesIn: 0, bytesOut: 0 });
  const list = await app.request('GET', '/tenants/gateways');
  assert.deepEqual(list.json, [created.json]);
});

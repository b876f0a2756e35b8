import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTestApp } from '../../testing/harness.ts';

test('resolvers of a gateway are stored in one spelling, kept by other changes, and cleared by null', async (t) => {
  const app = await openTestApp(t);
  const body = { name: 'Berlin', wireguardPort: '51820' };
  const given = [
    { address: 'FD00:0::53', port: 53, domains: ['Lab.example', 'corp.example', 'lab.example'] },
    { address: '10.0.0.53', port: 5353, domains: [] },
  ];
  const made = await app.request('POST', '/tenants/gateways', { body: { ...body, dnsServers: given } });
  const shown = [
    { address: 'fd00::53', domains: ['corp.example', 'lab.example'] },
    { address: '10.0.0.53', port: 5353 },
  ];
  assert.deepEqual(made.json.dnsServers, shown);
  const path = `/tenants/gateways/${made.json.id}`;
  const patch = async (more: object) => (await app.request('PATCH', path, { body: { ...body, ...more } })).json;
  assert.deepEqual((await patch({ description: 'x' })).dnsServers, shown);
  const again = await patch({ dnsServers: shown });
  assert.deepEqual((await app.request('GET', path)).json.updatedAt, again.updatedAt);
  assert.equal((await patch({ dnsServers: null })).dnsServers, undefined);
  assert.deepEqual((await patch({ dnsServers: shown })).dnsServers, shown);
  assert.equal((await patch({ dnsServers: [] })).dnsServers, undefined);
  const refused = await app.request('PATCH', path, { body: { ...body, dnsServers: [{ address: 'dns.example' }] } });
  assert.equal(refused.status, 400);
  assert.equal(refused.json.errors[0].pointer, '/dnsServers/0/address');
});

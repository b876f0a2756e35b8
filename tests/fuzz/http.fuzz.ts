import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { openTestApp, type TestApp } from '../../apps/controller/src/testing/harness.ts';
import { bytes, oddText, pick, spoiltJson, spoiltText } from './mutate.ts';

/** Name of the target. */
export const name = 'http';

const id = '123e4567-e89b-42d3-a456-426614174000';
const key = Buffer.alloc(32, 1).toString('base64');
const address = { address: '10.0.0.0/24', protocols: [id] };
const policy = {
  name: 'all',
  type: 'PRIVATE',
  action: true,
  mode: null,
  allDevices: true,
  groups: [id],
  users: [{ id, name: 'x' }],
  sourceIps: ['192.0.2.0/24'],
};
const question = { device: id, destination: '10.0.0.7', protocol: 'TCP', port: 443, at: '2026-01-15T12:00:00Z' };
const user = { firstName: 'A', lastName: 'B', attributes: { department: 'it', groups: ['a', 'b'], level: 3 } };
const samples: readonly (readonly [method: 'POST' | 'PUT' | 'PATCH', path: string, body: unknown])[] = [
  [
    'POST',
    '/tenants/gateways',
    { name: 'office', wireguardPort: '51820', endpoint: 'vpn.example.com', relayPorts: '52000-52999' },
  ],
  ['PUT', `/tenants/gateways/${id}`, { name: 'office', wireguardPort: '51820', status: 'ACTIVE' }],
  ['POST', '/tenants/protocols', { networkProtocols: [{ protocol: 'TCP', port: '443' }, { protocol: 'ICMP' }] }],
  ['POST', '/tenants/resources', { name: 'web', type: 'PRIVATE', addresses: [address, address] }],
  ['PUT', `/tenants/resources/${id}/load-balancing`, { loadBalancingMode: 'MANUAL', gateways: [id] }],
  ['POST', '/tenants/devices', { name: 'laptop', publicKey: key, user: { id } }],
  ['PUT', `/tenants/devices/${id}`, { name: 'laptop', posture: { diskEncrypted: true, os: 'Debian' } }],
  ['POST', '/tenants/enrolment-keys', { name: 'laptop', user: id, expiresAt: '2026-02-15T12:00:00Z' }],
  ['POST', '/tenants/policies', policy],
  ['PUT', '/tenants/policies/reorder', { type: 'PRIVATE', policies: [id, id] }],
  [
    'POST',
    '/tenants/admission-rules',
    { name: 'Staff', rule: 'posture.diskEncrypted == true', hasTimeConstraint: false },
  ],
  ['POST', '/tenants/users', [{ email: 'a@example.com', groups: [id] }]],
  ['PUT', `/tenants/users/${id}`, user],
  ['POST', '/tenants/groups', { name: 'staff', roles: [id], idpMapping: ['staff'] }],
  ['POST', '/tenants/access/explain', question],
  ['POST', '/tenants/api-keys', { name: 'ci', role: 'ADMIN', expiresAt: null }],
];

let app: Promise<TestApp> | null = null;

/** Feeds bodies of the HTTP API to the whole app. */
export async function target(random: () => number): Promise<void> {
  // The process ends without a clean-up; the runner removes its temporary folder.
  app ??= openTestApp({ after: () => {} } as unknown as TestContext);
  const { app: served, tenant } = await app;
  const [method, path, body] = pick(random, samples);
  const { statusCode, payload } = await served.server.inject({
    method,
    url: path,
    headers: { apikey: tenant.key, 'content-type': 'application/json' },
    payload: payloadOf(random, body),
  });
  assert.ok(statusCode < 500, `${method} ${path} answers ${statusCode}: ${payload.slice(0, 500)}`);
  assert.ok(payload.length < 2 << 20, `${method} ${path} answers ${payload.length} characters`);
}

function payloadOf(random: () => number, body: unknown): string | Buffer {
  const kind = random();
  if (kind < 0.7) return JSON.stringify(spoiltJson(random, body));
  if (kind < 0.9) return spoiltText(random, JSON.stringify(body));
  return kind < 0.95 ? oddText(random) : bytes(random, 200);
}

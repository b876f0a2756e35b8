import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEndpoint } from '../endpoint.ts';
import { errorCatalogue } from '../errors.ts';
import { operations } from '../operations.ts';
import { CreateDevice } from './devices.ts';
import { CreateGateway, UpdateGateway } from './gateways.ts';
import { CreateProtocol, CreateResource } from './resources.ts';

const fails = (schema: { safeParse(value: unknown): { success: boolean } }, value: unknown) =>
  assert.equal(schema.safeParse(value).success, false, JSON.stringify(value));

test('a gateway needs a name and a port as a string', () => {
  assert.ok(CreateGateway.safeParse({ name: 'name', wireguardPort: '51820' }).success);
  for (const wireguardPort of ['0', '65536', '51820x', '', '-1', '051820', 51820, null])
    fails(CreateGateway, { name: 'n', wireguardPort });
  for (const name of ['', 'x'.repeat(121), 'a\nb', 'a\u0000', 'a\u202eb', 'a\u2028b', '\ud800', 5, null])
    fails(CreateGateway, { name, wireguardPort: '1' });
  fails(UpdateGateway, { name: 'n' });
  fails(UpdateGateway, { name: 'n', wireguardPort: '1', status: 'BROKEN' });
  fails(CreateGateway, { name: 'n', wireguardPort: '1', unknown: 1 });
});

test('an endpoint is a host name or an address with an optional port', () => {
  assert.deepEqual(parseEndpoint('gw.example.com'), { host: 'gw.example.com', port: null });
  assert.deepEqual(parseEndpoint('192.0.2.1:51820'), { host: '192.0.2.1', port: 51820 });
  assert.deepEqual(parseEndpoint('2001:db8::1'), { host: '2001:db8::1', port: null });
  assert.deepEqual(parseEndpoint('[2001:db8::1]:1'), { host: '2001:db8::1', port: 1 });
  for (const bad of [
    '',
    'a b',
    'http://x',
    'x:0',
    'x:70000',
    '[1.2.3.4]:5',
    '999.1.1.1',
    '-x',
    'a_b.example',
    'x..y',
    '[::1',
    'x:',
  ])
    assert.equal(parseEndpoint(bad), null, bad);
});

test('TCP and UDP need a port, ICMP takes none', () => {
  const ok = (networkProtocols: unknown) => CreateProtocol.safeParse({ networkProtocols }).success;
  assert.ok(ok([{ protocol: 'TCP', port: '80' }, { protocol: 'UDP', port: '5000-5100' }, { protocol: 'ICMP' }]));
  for (const bad of [
    { protocol: 'TCP' },
    { protocol: 'ICMP', port: '1' },
    { protocol: 'TCP', port: '90-80' },
    { protocol: 'TCP', port: '0-5' },
    { protocol: 'GRE', port: '1' },
  ]) {
    assert.equal(ok([bad]), false, JSON.stringify(bad));
  }
  assert.equal(ok([]), false);
});

test('a resource address that was read can be written back', () => {
  const id = '123e4567-e89b-42d3-a456-426614174000';
  const parsed = CreateResource.parse({
    name: 'web',
    type: 'PRIVATE',
    addresses: [
      {
        id,
        isIp: true,
        type: 'PRIVATE',
        address: '10.0.0.1',
        protocols: [{ id, name: 'HTTPS', networkProtocols: [], type: 'CUSTOM' }],
      },
    ],
  });
  assert.deepEqual(parsed.addresses, [{ address: '10.0.0.1', protocols: [id] }]);
});

test('a public key has 32 bytes in canonical base64', () => {
  const good = Buffer.alloc(32, 7).toString('base64');
  assert.ok(CreateDevice.safeParse({ name: 'd', publicKey: good }).success);
  for (const publicKey of ['', good.slice(1), `${'A'.repeat(42)}B=`, `${good}=`])
    fails(CreateDevice, { name: 'd', publicKey });
});

test('operations are unique by method and path, and every error code has a 4xx or 5xx status', () => {
  const all = Object.values(operations);
  assert.equal(new Set(all.map((o) => `${o.method} ${o.path}`)).size, all.length);
  for (const { status } of Object.values(errorCatalogue)) assert.ok(status >= 400 && status < 600);
});

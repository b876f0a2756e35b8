import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dnsServersText, readDnsServers } from './dns-servers.ts';
import { CreateGateway } from './http/gateways.ts';

test('resolvers are read as people write them, and written the same', () => {
  const text = '10.0.0.53, 10.0.0.54:5353 corp.example lab.example, fd00::53, [fd00::54]:5353 x';
  const servers = readDnsServers(text);
  assert.deepEqual(servers, [
    { address: '10.0.0.53' },
    { address: '10.0.0.54', port: 5353, domains: ['corp.example', 'lab.example'] },
    { address: 'fd00::53' },
    { address: 'fd00::54', port: 5353, domains: ['x'] },
  ]);
  assert.equal(dnsServersText(servers), text);
  assert.deepEqual(readDnsServers(' , '), []);
  assert.deepEqual(readDnsServers('[fd00::53] a'), [{ address: 'fd00::53', domains: ['a'] }]);
});

test('a gateway takes resolvers with good addresses, ports and domains, and not too many', () => {
  const accepted = (dnsServers: unknown) =>
    CreateGateway.safeParse({ name: 'x', wireguardPort: '51820', dnsServers }).success;
  for (const good of [null, [], [{ address: '10.0.0.53' }], [{ address: 'fd00::53', port: 5353, domains: ['corp'] }]])
    assert.equal(accepted(good), true, JSON.stringify(good));
  const bad = [
    ...['dns.example', '10.0.0.53/32', '0.0.0.0', '224.0.0.1', '255.255.255.255', '::', 'FF02::1', ''],
    ...['10.0.0.53:53', '0.1.2.3'],
  ].map((address) => [{ address }]);
  for (const refused of [
    ...bad,
    [{ address: '10.0.0.53', port: 0 }],
    [{ address: '10.0.0.53', port: 65536 }],
    ...['*.corp.example', 'corp..example', '.', '', '10.0.0.1', 'a b'].map((one) => [
      { address: '10.0.0.53', domains: [one] },
    ]),
    Array.from({ length: 17 }, () => ({ address: '10.0.0.53' })),
    [{ address: '10.0.0.53', domains: Array.from({ length: 65 }, (_, i) => `d${i}.example`) }],
    [{ address: '10.0.0.53', more: 1 }],
  ])
    assert.equal(accepted(refused), false, JSON.stringify(refused).slice(0, 100));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseResolvConf, ResolverHealth, resolversFor } from './servers.ts';

const at = (address: string, ...domains: string[]) => ({ address, port: 53, domains });
const addresses = (servers: readonly { address: string }[]) => servers.map(({ address }) => address);

test('the longest domain decides, then resolvers without domains, then those of the host', () => {
  const system = [at('192.0.2.1')];
  const routed = [
    at('10.0.0.1', 'corp.example'),
    at('10.0.0.2', 'lab.corp.example', 'x'),
    at('10.0.0.3', 'corp.example'),
  ];
  const of = (name: string, more: typeof routed = []) => addresses(resolversFor(name, [...routed, ...more], system));
  assert.deepEqual(of('wiki.corp.example'), ['10.0.0.1', '10.0.0.3']);
  assert.deepEqual(of('corp.example'), ['10.0.0.1', '10.0.0.3']);
  assert.deepEqual(of('a.lab.corp.example'), ['10.0.0.2']);
  assert.deepEqual(of('x'), ['10.0.0.2']);
  for (const other of ['badcorp.example', 'example', 'nox']) assert.deepEqual(of(other), ['192.0.2.1']);
  assert.deepEqual(of('badcorp.example', [at('10.0.0.9')]), ['10.0.0.9']);
  assert.deepEqual(addresses(resolversFor('wiki', [], system)), ['192.0.2.1']);
});

test('a resolver that failed is asked last for half a minute, or until it answers', () => {
  let now = 1_000_000;
  const health = new ResolverHealth(() => now);
  const servers = [at('10.0.0.1'), at('10.0.0.2'), at('10.0.0.3')];
  const order = () => addresses(health.sorted(servers));
  health.note(at('10.0.0.1'), false);
  assert.deepEqual(order(), ['10.0.0.2', '10.0.0.3', '10.0.0.1']);
  health.note(at('10.0.0.2'), false);
  assert.deepEqual(order(), ['10.0.0.3', '10.0.0.1', '10.0.0.2']);
  health.note(at('10.0.0.1'), true);
  assert.deepEqual(order(), ['10.0.0.1', '10.0.0.3', '10.0.0.2']);
  now += 30_000;
  assert.deepEqual(order(), ['10.0.0.1', '10.0.0.2', '10.0.0.3']);
});

test('resolvers of resolv.conf are its first three valid addresses', () => {
  const text = 'search x\n nameserver 10.0.0.1 # a\nnameserver dns.example\nnameserver fd00::1\n#nameserver 9.9.9.9\n';
  assert.deepEqual(addresses(parseResolvConf(`${text}nameserver 10.0.0.2\nnameserver 10.0.0.3\n`)), [
    '10.0.0.1',
    'fd00::1',
    '10.0.0.2',
  ]);
});

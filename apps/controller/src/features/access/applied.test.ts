import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StateItem } from '@sallyport/contract/channel';
import { admittedBy, type Packet } from './applied.ts';

const now = 1_000_000;
const device = {
  kind: 'device',
  key: 'device/d',
  id: 'd',
  publicKey: 'k'.repeat(44),
  addresses: ['100.64.0.2'],
  profile: 'p',
  expiresAt: null,
} as const;
const profile = {
  kind: 'profile',
  key: 'profile/p',
  id: 'p',
  cells: [{ class: 'c', bundle: 'b', expiresAt: null }],
} as const;
const destinations = {
  kind: 'class',
  key: 'class/c',
  id: 'c',
  ranges: ['10.0.0.1-10.0.0.9', 'fd00::1-fd00::9'],
} as const;
const bundle = {
  kind: 'bundle',
  key: 'bundle/b',
  id: 'b',
  grants: [
    { protocol: 'tcp', from: 80, to: 90, policy: 'web' },
    { protocol: 'icmp', from: 0, to: 65535, policy: 'ping' },
  ],
} as const;
const items = [device, profile, destinations, bundle] as unknown as StateItem[];
const packet: Packet = { device: 'd', destination: '10.0.0.5', protocol: 'tcp', port: 80 };

test('a packet is admitted by the policy that its device, class and port lead to', () => {
  assert.equal(admittedBy(items, packet, now), 'web');
  assert.equal(admittedBy(items, { ...packet, destination: 'fd00::9', port: 90 }, now), 'web');
  assert.equal(admittedBy(items, { ...packet, protocol: 'icmp', port: 0 }, now), 'ping');
});

test('addresses outside the trusted proxies are not believed', () => {
  for (const other of [
    { device: 'e' },
    { destination: '10.0.0.10' },
    { destination: 'fd00::a' },
    { destination: 'nonsense' },
    { port: 91 },
    { port: 79 },
    { protocol: 'udp' as const },
    { protocol: 'other' as const, port: 0 },
  ])
    assert.equal(admittedBy(items, { ...packet, ...other }, now), null, JSON.stringify(other));
});

test('an item that is missing, or that names no other, admits nothing', () => {
  for (const missing of items)
    assert.equal(
      admittedBy(
        items.filter((item) => item !== missing),
        packet,
        now,
      ),
      null,
    );
  assert.equal(
    admittedBy([{ ...device, profile: null } as unknown as StateItem, ...items.slice(1)], packet, now),
    null,
  );
});

test('a cell whose first bundle is over admits what its successor holds, until that is over', () => {
  const cell = { class: 'c', bundle: 'b', expiresAt: now, after: [{ bundle: 'rest', expiresAt: now + 10 }] };
  const rest = { ...bundle, key: 'bundle/rest', id: 'rest', grants: [{ ...bundle.grants[0], policy: 'rest' }] };
  const all = [device, { ...profile, cells: [cell] }, destinations, bundle, rest] as unknown as StateItem[];
  const admitted = [now - 1, now, now + 9, now + 10].map((moment) => admittedBy(all, packet, moment));
  assert.deepEqual(admitted, ['web', 'rest', 'rest', null]);
});

test('devices and cells that are over admit nothing, from that very moment', () => {
  const until = (expiresAt: number) => [
    [{ ...device, expiresAt }, ...items.slice(1)],
    [items[0], { ...profile, cells: [{ ...profile.cells[0], expiresAt }] }, ...items.slice(2)],
  ];
  for (const one of until(now)) assert.equal(admittedBy(one as StateItem[], packet, now), null);
  for (const one of until(now + 1)) assert.equal(admittedBy(one as StateItem[], packet, now), 'web');
});

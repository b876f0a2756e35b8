import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bundleItem, classItem, profileItem } from '@sallyport/agent-core/testing';
import { udpPortsOf } from './udp-ports.ts';

const udp = (from: number, to = from) => ({ protocol: 'udp', from, to, policy: 'p' }) as const;
const cell = (id: string, bundle: string) => ({ class: id, bundle, expiresAt: null });

test('an address has its lowest granted UDP port', () => {
  const portOf = udpPortsOf([
    classItem('calls', ['10.0.0.10-10.0.0.10', 'fd00::10-fd00::1f']),
    classItem('web', ['10.0.0.11-10.0.0.20']),
    classItem('all', ['10.0.1.0-10.0.1.255']),
    bundleItem('sip', [udp(5060), { protocol: 'tcp', from: 80, to: 80, policy: 'p' }]),
    bundleItem('media', [udp(10_000, 20_000)]),
    bundleItem('http', [{ protocol: 'tcp', from: 80, to: 80, policy: 'p' }]),
    bundleItem('everything', [udp(0, 65_535)]),
    profileItem('p1', [cell('calls', 'media'), cell('web', 'http')]),
    profileItem('p2', [cell('calls', 'sip'), cell('all', 'everything')]),
  ]);
  const ports = ['10.0.0.9', '10.0.0.10', '10.0.0.11', '10.0.1.255', '10.0.2.0', 'fd00::1f', 'fd00::20', 'x'].map(
    portOf,
  );
  assert.deepEqual(ports, [null, 5060, null, 1, null, 5060, null, null]);
});

test('grants for another gateway do not count for this host', () => {
  const cells = [{ ...cell('calls', 'sip'), onward: true as const }];
  const portOf = udpPortsOf([
    classItem('calls', ['10.0.0.10-10.0.0.10']),
    bundleItem('sip', [udp(5060)]),
    profileItem('p', cells),
  ]);
  assert.equal(portOf('10.0.0.10'), null);
});

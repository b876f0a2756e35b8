import fc from 'fast-check';
import { canonicalCidr } from '../address.ts';
import type { DeviceConfig, PeerConfig } from '../types.ts';
import { presharedKeyFor, privateKeyFor, publicKeyFor } from './keys.ts';

/** Few peers and few ranges, so that ranges move and peers come and go. */
const NAMES = ['ada', 'bob', 'cy', 'dee'] as const;
const RANGES = ['10.0.0.1/32', '10.0.0.2/32', '10.0.1.0/24', 'fd00::1/128', 'fd00:1::/64', '0.0.0.0/0'];
const KEYS = new Map(NAMES.map((name) => [name, publicKeyFor(name)]));
const PRIVATE_KEYS = ['gate', 'other'].map(privateKeyFor);
const ENDPOINTS = ['192.0.2.1:51820', '192.0.2.2:1', '[2001:db8::1]:51820'];

/** A valid device configuration: every range belongs to at most one peer. */
export const deviceConfig: fc.Arbitrary<DeviceConfig> = fc
  .record({
    privateKey: fc.constantFrom(...PRIVATE_KEYS),
    listenPort: fc.integer({ min: 1, max: 65535 }),
    fwmark: fc.option(fc.integer({ min: 1, max: 0xffffffff }), { nil: undefined }),
    names: fc.subarray([...NAMES]),
    owners: fc.tuple(...RANGES.map(() => fc.constantFrom(...NAMES, null))),
    extras: fc.tuple(...NAMES.map(() => extras())),
  })
  .map(({ privateKey, listenPort, fwmark, names, owners, extras: more }) => ({
    privateKey,
    listenPort,
    ...(fwmark === undefined ? {} : { fwmark }),
    peers: new Map(
      names.map((name) => {
        const allowedIps = RANGES.filter((_, index) => owners[index] === name).map(canonicalCidr);
        const peer: PeerConfig = { publicKey: KEYS.get(name) ?? '', allowedIps, ...more[NAMES.indexOf(name)] };
        return [peer.publicKey, peer];
      }),
    ),
  }));

function extras(): fc.Arbitrary<Partial<PeerConfig>> {
  return fc.record(
    {
      endpoint: fc.constantFrom(...ENDPOINTS),
      presharedKey: fc.constantFrom('x', 'y').map(presharedKeyFor),
      persistentKeepalive: fc.integer({ min: 1, max: 65535 }),
    },
    { requiredKeys: [] },
  );
}

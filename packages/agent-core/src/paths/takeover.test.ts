import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PeerItem, StateItem } from '@sallyport/contract/channel';
import type { DeviceStatus } from '@sallyport/wireguard';
import { clientItem, peerItem, routeItem } from '../testing/items.ts';
import { Paths } from './paths.ts';

const [first, second] = [peerItem(1), peerItem(2)];
const prefix = '10.20.0.10/32';
const items = new Map<string, StateItem>(
  [clientItem(), first, second, routeItem(prefix, [1, 2])].map((item) => [item.key, item]),
);

test('a route stays at the gateway where a new agent finds it, whichever answers first', () => {
  const paths = new Paths({ agent: 'd', remembered: () => undefined });
  assert.deepEqual(paths.handle({ kind: 'status', device: device() }, 0), []);
  const effects = paths.handle({ kind: 'items', items }, 0);
  const probes = effects.flatMap((effect) => (effect.kind === 'probe' ? [effect] : []));
  assert.equal(probes.length, 2);
  const answer = (peer: PeerItem, now: number) => {
    const probe = probes.find((effect) => effect.peer === peer.id)?.probe ?? 0;
    return paths.handle({ kind: 'probed', probe, rttMs: 2 }, now).filter(({ kind }) => kind === 'wireguard');
  };
  assert.deepEqual(answer(second, 2), []);
  assert.deepEqual(answer(first, 4), []);
  assert.equal(paths.view().routes[0]?.carrier, first.id);
});

/** As an agent before left it. */
function device(): DeviceStatus {
  const peer = ({ publicKey, addresses, endpoints }: PeerItem, more: readonly string[]) => ({
    ...{ publicKey, endpoint: endpoints[0] ?? '', persistentKeepalive: 20, lastHandshake: 1, rxBytes: 1, txBytes: 1 },
    allowedIps: [...addresses.map((address) => `${address}/32`), ...more],
  });
  const peers = [peer(first, [prefix]), peer(second, [])];
  return { publicKey: 'k', listenPort: 1, fwmark: 0, peers: new Map(peers.map((one) => [one.publicKey, one])) };
}

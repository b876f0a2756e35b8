import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StateItem } from '@sallyport/contract/channel';
import type { DeviceStatus, PeerChange, PeerStatus } from '@sallyport/wireguard';
import {
  beaconItem,
  clientItem,
  deviceItem,
  gatewayId,
  gatewayItem,
  peerItem,
  relayPointItem,
  routeItem,
} from '../testing/items.ts';
import { Paths } from './paths.ts';
import type { PathEffect, PathInput } from './types.ts';

const config = { agent: gatewayId(200), remembered: () => undefined };
const items = (...list: StateItem[]): PathInput => ({ kind: 'items', items: new Map(list.map((i) => [i.key, i])) });
const ofKind = <K extends PathEffect['kind']>(effects: readonly PathEffect[], kind: K) =>
  effects.filter((effect): effect is Extract<PathEffect, { kind: K }> => effect.kind === kind);
const changes = (effects: readonly PathEffect[]): PeerChange[] =>
  ofKind(effects, 'wireguard').flatMap(({ peers }) => peers);

function status(...peers: (Partial<PeerStatus> & { publicKey: string })[]): PathInput {
  const all = peers.map((peer): [string, PeerStatus] => [
    peer.publicKey,
    { allowedIps: [], lastHandshake: null, rxBytes: 0, txBytes: 0, ...peer },
  ]);
  const device: DeviceStatus = { publicKey: 'own', listenPort: 1, fwmark: 0, peers: new Map(all) };
  return { kind: 'status', device };
}

/** Every probe is answered at once. */
function answer(paths: Paths, effects: readonly PathEffect[], now: number): PathEffect[] {
  return ofKind(effects, 'probe').flatMap(({ probe }) => paths.handle({ kind: 'probed', probe, rttMs: 5 }, now));
}

describe('items', () => {
  it('leave new peers to the plane, which finds in their configuration all that is wanted', () => {
    const paths = new Paths(config);
    const effects = paths.handle(items(clientItem(), peerItem(1), peerItem(2), routeItem('10.1.0.0/16', [2, 1])), 0);
    assert.deepEqual(changes(effects), []);
    assert.deepEqual(
      ofKind(effects, 'probe').map(({ peer, address }) => [peer, address]),
      [
        [gatewayId(1), '100.64.0.1'],
        [gatewayId(2), '100.64.0.2'],
      ],
    );
    const { publicKey } = peerItem(2);
    assert.deepEqual(paths.peerConfig(peerItem(2)), {
      publicKey,
      allowedIps: ['100.64.0.2/32', '10.1.0.0/16'],
      endpoint: '192.0.2.2:51820',
      persistentKeepalive: 20,
    });
  });

  it('that are the same again move nothing; that have gone are no longer probed', () => {
    const paths = new Paths(config);
    const same = items(clientItem(), peerItem(1), routeItem('10.1.0.0/16', [1]));
    paths.handle(same, 0);
    assert.deepEqual(changes(paths.handle(same, 10)), []);
    paths.handle({ kind: 'closed' }, 20);
    assert.equal(paths.nextDeadline(), null);
    assert.deepEqual(paths.view(), { paths: [], routes: [] });
  });

  it('of an OFFLINE gateway have no effect', () => {
    const paths = new Paths(config);
    assert.deepEqual(paths.handle(items(gatewayItem({ intent: 'OFFLINE' }), peerItem(1), relayPointItem(3)), 0), []);
  });

  it('of a device that has outlived the agent go on where they were, until it is known better', () => {
    const paths = new Paths(config);
    const living = { allowedIps: ['10.1.0.0/16'], endpoint: '192.0.2.77:7', rxBytes: 5 };
    paths.handle(status({ publicKey: peerItem(2).publicKey, ...living }, { publicKey: peerItem(1).publicKey }), 0);
    const all = items(clientItem(), peerItem(1), peerItem(2), routeItem('10.1.0.0/16', [1, 2]));
    const effects = paths.handle(all, 1);
    assert.deepEqual(paths.peerConfig(peerItem(2)).allowedIps, ['100.64.0.2/32', '10.1.0.0/16']);
    assert.equal(paths.peerConfig(peerItem(2)).endpoint, '192.0.2.77:7');
    const probes = ofKind(effects, 'probe');
    const secondFirst = [...probes].reverse();
    assert.deepEqual(changes(answer(paths, secondFirst.slice(0, 1), 10)), []);
    const [gain, lose] = changes(answer(paths, secondFirst.slice(1), 12));
    assert.deepEqual(
      [gain, lose].map((change) => change?.kind === 'set' && change.peer.allowedIps),
      [['100.64.0.1/32', '10.1.0.0/16'], ['100.64.0.2/32']],
    );
    assert.equal(gain?.kind === 'set' && gain.peer.endpoint, undefined);
  });
});

describe('names', () => {
  it('are looked up for peers and beacons, and used once they are known', () => {
    const paths = new Paths(config);
    const peer = peerItem(1, { endpoints: ['gw.example.com:51820'] });
    const beacon = beaconItem(1, 'beacon.example.com:51819');
    const effects = paths.handle(items(clientItem(), peer, beacon), 0);
    assert.deepEqual(
      ofKind(effects, 'resolve')
        .map(({ host }) => host)
        .sort(),
      ['beacon.example.com', 'gw.example.com'],
    );
    assert.equal(paths.peerConfig(peer).endpoint, undefined);
    const resolved = { kind: 'resolved', host: 'beacon.example.com', addresses: ['2001:DB8::1'] } as const;
    const [set] = changes(paths.handle(resolved, 5));
    assert.equal(set?.kind === 'set' && set.peer.endpoint, '[2001:db8::1]:51819');
    assert.deepEqual(changes(paths.handle(resolved, 6)), []);
    paths.handle({ kind: 'resolved', host: 'gw.example.com', addresses: ['192.0.2.9'] }, 10);
    const later = [300, 1_000, 1_250, 1_500].flatMap((now) => paths.handle({ kind: 'tick' }, now));
    assert.ok(changes(later).some((change) => change.kind === 'set' && change.peer.endpoint === '192.0.2.9:51820'));
  });

  it('that do not resolve are requested again at intervals', () => {
    const paths = new Paths(config);
    paths.handle(items(clientItem(), peerItem(1, { endpoints: ['gw.example.com:51820'] })), 0);
    paths.handle({ kind: 'resolved', host: 'gw.example.com', addresses: [] }, 100);
    let asked = 0;
    for (let now = 100; now < 60_000; now += 100) {
      asked += ofKind(paths.handle({ kind: 'tick' }, now), 'resolve').length;
      if (asked > 0 && now % 1_000 === 0) {
        paths.handle({ kind: 'resolved', host: 'gw.example.com', addresses: [] }, now);
      }
    }
    assert.ok(asked >= 1 && asked <= 12, `${asked}`);
  });
});

describe('beacons', () => {
  it('without an endpoint are peers that only receive', () => {
    const paths = new Paths(config);
    const { publicKey } = beaconItem(3, null);
    assert.deepEqual(paths.peerConfig(beaconItem(3, null)), { publicKey, allowedIps: [] });
  });

  it('that move to another address are spoken to there at once, with a handshake', () => {
    const paths = new Paths(config);
    const [before, after] = [beaconItem(1, '203.0.113.1:51818'), beaconItem(1, '203.0.113.2:51818')];
    assert.deepEqual(changes(paths.handle(items(clientItem(), before, beaconItem(2)), 0)), [], 'left to the plane');
    const moved = changes(paths.handle(items(clientItem(), after, beaconItem(2)), 10));
    const { publicKey } = after;
    const peer = { publicKey, allowedIps: [], endpoint: '203.0.113.2:51818', persistentKeepalive: 20 };
    assert.deepEqual(moved, [
      { kind: 'remove', publicKey },
      { kind: 'set', peer },
    ]);
    assert.deepEqual(changes(paths.handle(items(clientItem(), after), 20)), []);
  });

  it('whose name gets another address are spoken to there', () => {
    const paths = new Paths(config);
    paths.handle(items(clientItem(), beaconItem(1, 'beacon.example.com:51818')), 0);
    const host = 'beacon.example.com';
    const kinds = (addresses: string[], now: number) =>
      changes(paths.handle({ kind: 'resolved', host, addresses }, now)).map(({ kind }) => kind);
    assert.deepEqual(kinds(['203.0.113.1'], 10), ['set']);
    assert.deepEqual(kinds(['203.0.113.2'], 90_000), ['remove', 'set']);
  });

  it('whose peer has outlived the agent and points elsewhere are spoken to where they are', () => {
    const paths = new Paths(config);
    const [one, two] = [beaconItem(1, '203.0.113.2:51818'), beaconItem(2, '203.0.113.2:51819')];
    const stays = { publicKey: two.publicKey, endpoint: '203.0.113.2:51819' };
    paths.handle(status({ publicKey: one.publicKey, endpoint: '203.0.113.1:51818' }, stays), 0);
    const keys = changes(paths.handle(items(clientItem(), one, two), 1)).map((change) =>
      change.kind === 'set' ? change.peer.publicKey : change.publicKey,
    );
    assert.deepEqual(keys, [one.publicKey, one.publicKey]);
  });

  it('are spoken to at once when the network has changed, so that they see where we are', () => {
    const paths = new Paths(config);
    paths.handle(items(clientItem(), beaconItem(1), beaconItem(3, null)), 0);
    const set = changes(paths.handle({ kind: 'network-changed' }, 5_000));
    assert.deepEqual(
      set.map((change) => change.kind === 'set' && [change.peer.publicKey, change.peer.persistentKeepalive]),
      [
        [beaconItem(1).publicKey, undefined],
        [beaconItem(1).publicKey, 20],
      ],
    );
    assert.deepEqual(changes(paths.handle({ kind: 'network-changed' }, 5_500)), []);
  });
});

describe('devices of a gateway', () => {
  const device = deviceItem(1, { id: gatewayId(77), key: `device/${gatewayId(77)}` });
  const punch = { kind: 'punch', peer: device.id, endpoints: ['198.51.100.7:40000'] } as const;
  const gateway = (item = device) => {
    const paths = new Paths(config);
    paths.handle(items(gatewayItem(), item), 0);
    return paths;
  };

  it('that never sent anything are created again at their reported endpoint', () => {
    const paths = gateway();
    assert.equal(ofKind(paths.handle(punch, 10), 'read-status').length, 1);
    const [remove, set] = changes(paths.handle(status({ publicKey: device.publicKey }), 12));
    assert.equal(remove?.kind, 'remove');
    assert.ok(set?.kind === 'set');
    assert.equal(set.peer.endpoint, '198.51.100.7:40000');
    assert.equal(set.peer.persistentKeepalive, 20);
    assert.deepEqual(set.peer.allowedIps, ['100.64.1.1/32', 'fd00:5a11::1:1/128']);
  });

  it('that send keep their endpoint', () => {
    const paths = gateway();
    const heard = (rxBytes: number, now: number) =>
      changes(paths.handle(status({ publicKey: device.publicKey, lastHandshake: 1, rxBytes }), now));
    heard(100, 5);
    paths.handle(punch, 300);
    assert.deepEqual(heard(196, 302), []);
    assert.deepEqual(changes(paths.handle({ kind: 'tick' }, 5_000)), []);
  });

  it('that have fallen silent are sent to, with the session that they may still have', () => {
    const paths = gateway();
    const look = (now: number) =>
      changes(paths.handle(status({ publicKey: device.publicKey, lastHandshake: 1, rxBytes: 100 }), now));
    look(5);
    paths.handle(punch, 400);
    const [quiet, set] = look(402);
    assert.equal(quiet?.kind === 'set' && quiet.peer.persistentKeepalive, undefined);
    assert.equal(set?.kind === 'set' && set.peer.endpoint, '198.51.100.7:40000');
  });

  it('that suddenly fall silent are reminded once of where we are', () => {
    const paths = gateway();
    let [now, rxBytes] = [0, 0];
    const look = (grows: boolean) => {
      now = paths.nextDeadline() ?? Infinity;
      assert.equal(ofKind(paths.handle({ kind: 'tick' }, now), 'read-status').length, 1);
      rxBytes += grows ? 480 : 0;
      const seen = { publicKey: device.publicKey, lastHandshake: 1, rxBytes, endpoint: '198.51.100.7:1' };
      return changes(paths.handle(status(seen), now + 2));
    };
    for (let n = 0; n < 6; n += 1) assert.deepEqual(look(true), []);
    assert.ok((paths.nextDeadline() ?? Infinity) - now <= 510);
    const sets = look(false).map((change) => change.kind === 'set' && change.peer);
    assert.deepEqual(
      sets.map((peer) => peer && [peer.endpoint, peer.persistentKeepalive]),
      [
        [undefined, undefined],
        [undefined, 20],
        [undefined, undefined],
      ],
    );
    for (let n = 0; n < 6; n += 1) assert.deepEqual(look(false), []);
  });

  it('with a relay are looked for there and kept there', () => {
    const item = { ...device, relay: '198.51.100.250:51901' };
    const paths = gateway(item);
    assert.deepEqual(paths.peerConfig(item).endpoint, '198.51.100.250:51901');
    assert.equal(paths.peerConfig(item).persistentKeepalive, 20);
    const sets = changes(paths.handle(status({ publicKey: device.publicKey }), 10));
    assert.ok(sets.some((change) => change.kind === 'set' && change.peer.endpoint === '198.51.100.250:51901'));
  });

  it('cause one reading at a time, however many search', () => {
    const all = Array.from({ length: 200 }, (_, n) => deviceItem(n + 1));
    const paths = new Paths(config);
    paths.handle(items(gatewayItem(), ...all), 0);
    const calls = all.flatMap(({ id }) => paths.handle({ ...punch, peer: id }, 10));
    assert.equal(ofKind(calls, 'read-status').length, 1);
    const set = changes(paths.handle(status(...all.map(({ publicKey }) => ({ publicKey }))), 20));
    assert.equal(set.filter(({ kind }) => kind === 'remove').length, 200);
  });

  it('of other gateways are ignored', () => {
    assert.deepEqual(gateway().handle({ ...punch, peer: gatewayId(78) }, 10), []);
  });
});

describe('relay points', () => {
  it('are measured at intervals; one lost datagram changes nothing', () => {
    const paths = new Paths(config);
    const measured = (rttMs: number | null, now: number) =>
      paths.handle({ kind: 'measured', relay: gatewayId(3), rttMs }, now);
    assert.equal(ofKind(paths.handle(items(clientItem(), relayPointItem(3)), 0), 'measure').length, 1);
    assert.deepEqual(paths.relays(), []);
    measured(12, 10);
    assert.deepEqual(paths.relays(), [{ gateway: gatewayId(3), rttMs: 12 }]);
    for (const now of [30_001, 31_002]) {
      assert.equal(ofKind(paths.handle({ kind: 'tick' }, now), 'measure').length, 1);
      measured(null, now);
    }
    assert.equal(paths.relays()[0]?.rttMs, 12);
    paths.handle({ kind: 'tick' }, 32_003);
    measured(null, 32_004);
    assert.equal(paths.relays()[0]?.rttMs, null);
  });
});

describe('probes', () => {
  const up = () => {
    const paths = new Paths(config);
    let now = 0;
    let pending = paths.handle(items(clientItem(), peerItem(1)), now);
    for (let n = 0; n < 8; n += 1) {
      answer(paths, pending, now);
      now += 250;
      pending = paths.handle({ kind: 'tick' }, now);
    }
    answer(paths, pending, now);
    return { paths, now };
  };

  it('are few when nothing goes through, and many when something does', () => {
    const { paths, now } = up();
    const look = (txBytes: number, at: number) =>
      paths.handle(status({ publicKey: peerItem(1).publicKey, txBytes }), at);
    look(1_000, now);
    assert.ok((paths.nextDeadline() ?? 0) > now + 500);
    assert.equal(ofKind(look(1_090, now + 1_000), 'probe').length, 1);
    assert.equal(paths.handle({ kind: 'tick' }, now + 1_250).filter(({ kind }) => kind === 'probe').length, 1);
  });

  it('that are looked at late because the program stood still make no path lost', () => {
    const { paths, now } = up();
    const [probe] = ofKind(paths.handle({ kind: 'tick' }, now + 5_000), 'probe');
    for (const at of [7_900, 7_901, 7_902]) paths.handle({ kind: 'tick' }, now + at);
    assert.equal(paths.view().paths[0]?.state, 'direct');
    paths.handle({ kind: 'probed', probe: probe?.probe ?? 0, rttMs: 2_900 }, now + 7_903);
    assert.equal(paths.view().paths[0]?.state, 'direct');
  });

  it('that cannot be sent at all make it lost as well, but no sooner than others', () => {
    const { paths, now } = up();
    const sent: number[] = [];
    for (let at = now; paths.view().paths[0]?.state === 'direct'; at += 50) {
      assert.ok(at < now + 10_000);
      for (const { probe } of ofKind(paths.handle({ kind: 'tick' }, at), 'probe')) {
        sent.push(at);
        paths.handle({ kind: 'probed', probe, rttMs: null }, at);
      }
    }
    const tookMs = (sent[2] ?? 0) - (sent[0] ?? 0);
    assert.equal(tookMs, 500);
  });
});

describe('packets of routes', () => {
  const watching = { ...config, watchesRoutes: true };
  const one = (txBytes: number) => status({ publicKey: peerItem(1).publicKey, txBytes, rxBytes: txBytes });
  const asked = (paths: Paths, txBytes: number, now: number) =>
    ofKind(paths.handle(one(txBytes), now), 'read-traffic').map(({ prefixes, apart }) => ({ prefixes, apart }));
  const routes = [
    routeItem('10.1.0.0/16', [1, 2], { resources: ['r'] }),
    routeItem('10.1.2.0/24', [1], { resources: ['s'] }),
  ];

  it('are requested while the device sends, one request at a time', () => {
    const paths = new Paths(watching);
    answer(paths, paths.handle(items(clientItem(), peerItem(1), peerItem(2), ...routes), 0), 0);
    assert.deepEqual(asked(paths, 0, 1_000), []);
    assert.deepEqual(asked(paths, 9_000, 2_000), [{ prefixes: ['10.1.0.0/16'], apart: ['10.1.2.0/24'] }]);
    assert.deepEqual(asked(paths, 18_000, 3_000), [], 'the answer is not there yet');
    paths.handle({ kind: 'traffic', counts: new Map(), answering: [] }, 3_100);
    assert.equal(asked(paths, 27_000, 4_000).length, 1);
    paths.handle({ kind: 'traffic', counts: new Map(), answering: [] }, 4_100);
    for (let now = 20_000; now < 60_000; now += 1_000) assert.deepEqual(asked(paths, 27_000, now), [], 'idle');
    const gateway = new Paths(config);
    answer(gateway, gateway.handle(items(gatewayItem(), peerItem(1), peerItem(2), ...routes), 0), 0);
    asked(gateway, 0, 1_000);
    assert.deepEqual(asked(gateway, 9_000, 2_000), []);
  });

  it('are not asked for where no route could move', () => {
    const paths = new Paths(watching);
    answer(
      paths,
      paths.handle(items(clientItem(), peerItem(1), routeItem('10.1.2.0/24', [1], { resources: ['s'] })), 0),
      0,
    );
    asked(paths, 0, 1_000);
    assert.deepEqual(asked(paths, 9_000, 2_000), []);
  });
});

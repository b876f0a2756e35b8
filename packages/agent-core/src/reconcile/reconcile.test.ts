import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type DeviceItem, StateHash, type StateItem } from '@sallyport/contract/channel';
import type { FoundFirewall } from '@sallyport/hostnet';
import type { DeviceStatus, PeerConfig } from '@sallyport/wireguard';
import fc from 'fast-check';
import type { ItemChange } from '../session/types.ts';
import {
  beaconItem,
  bundleItem,
  classItem,
  clientItem,
  deviceItem,
  egressItem,
  gatewayId,
  gatewayItem,
  peerItem,
  probeItem,
  profileItem,
  relayPointItem,
  routeItem,
  siteItem,
} from '../testing/items.ts';
import { movesRoutes, peerChanges, planChange } from './change.ts';
import { type Evidence, InForce } from './evidence.ts';
import {
  clientConfigOf,
  clientHostOf,
  deviceConfigOf,
  firewallStateOf,
  hostStateOf,
  prefixOf,
  restingPeer,
  type TunnelItem,
} from './wanted.ts';

type Items = ReadonlyMap<string, StateItem>;
type GatewayEvidence = Evidence & { readonly firewall: FoundFirewall };

const facts = { interface: 'sp0', privateKey: 'unused', peerConfig: restingPeer };
const publicKey = 'ours';

describe('the wanted system', () => {
  const items = mapOf([gatewayItem(), deviceItem(1), profileItem('p1', []), classItem('c1', ['10.0.0.1-10.0.0.9'])]);

  it('peers own exactly their device’s addresses', () => {
    const peer = deviceConfigOf(items, facts).peers.get(deviceItem(1).publicKey);
    assert.deepEqual(peer?.allowedIps, ['100.64.1.1/32', 'fd00:5a11::1:1/128']);
    assert.equal(peer?.endpoint, undefined);
  });

  it('a remembered endpoint is tried first', () => {
    const peerConfig = (item: TunnelItem) => ({ ...restingPeer(item), endpoint: '192.0.2.1:5' });
    const { peers } = deviceConfigOf(items, { ...facts, peerConfig });
    assert.equal([...peers.values()][0]?.endpoint, '192.0.2.1:5');
  });

  it('own addresses get their length', () => {
    const { addresses } = hostStateOf(gatewayItem({ addresses: ['100.64.0.1', 'fd00::1/128'] }), new Map(), 'sp0');
    assert.deepEqual(addresses, ['100.64.0.1/32', 'fd00::1/128']);
  });

  it('what is away follows from egress and sources, not from routes, and devices go on by their cells', () => {
    const gateway = gatewayItem();
    const sources = ['10.7.0.0/16', '100.64.9.3/32', 'fd00:5a11::903/128'];
    const items = [gateway, routeItem('10.5.0.0/16', [2]), egressItem('e1'), peerItem(2, { sources })];
    const host = hostStateOf(gateway, mapOf(items), 'sp0');
    assert.deepEqual([host.routes, host.onward], [['10.2.0.0/16', '10.7.0.0/16'], undefined]);
    const cell = { class: 'c1', bundle: 'b1', expiresAt: null };
    const stays = profileItem('p1', [cell]);
    const goes = profileItem('p1', [cell, { ...cell, class: 'c2', onward: true }]);
    assert.equal(hostStateOf(gateway, mapOf([...items, stays]), 'sp0').onward, undefined);
    assert.equal(hostStateOf(gateway, mapOf([...items, goes]), 'sp0').onward, true);
    assert.equal(movesRoutes({ before: stays, after: goes }), true);
    assert.equal(movesRoutes({ before: null, after: stays }), false);
    assert.equal(movesRoutes({ before: egressItem('e1'), after: null }), true);
    const off = gatewayItem({ intent: 'OFFLINE' });
    const { routes, onward } = hostStateOf(off, mapOf([off, ...items.slice(1), goes]), 'sp0');
    assert.deepEqual([routes, onward], [[], undefined]);
  });

  it('the blocks of members and the address of probes are in use, not the whole overlay', () => {
    const gateway = gatewayItem();
    const item = deviceItem(3, { addresses: ['100.64.9.3', 'fd00:5a11::903'] });
    const { members } = hostStateOf(gateway, mapOf([gateway, deviceItem(1), deviceItem(2), item]), 'sp0');
    assert.deepEqual(members, [
      ...['100.127.255.255/32', '100.64.0.0/24', '100.64.1.0/24', '100.64.9.0/24'],
      ...['fd00:5a11:0:ffff:ffff:ffff:ffff:ffff/128', 'fd00:5a11::/120', 'fd00:5a11::1:0/120', 'fd00:5a11::900/120'],
    ]);
  });

  it('OFFLINE and a missing gateway: no peers, no grants; MAINTENANCE: draining', () => {
    for (const closed of [mapOf([...items.values()].slice(1)), withIntent(items, 'OFFLINE')]) {
      assert.equal(deviceConfigOf(closed, facts).peers.size, 0);
      const { devices, profiles } = firewallStateOf(closed, 1);
      assert.deepEqual([devices.size, profiles.size], [0, 0]);
    }
    assert.equal(firewallStateOf(withIntent(items, 'MAINTENANCE'), 1).draining, true);
  });
});

describe('changes', () => {
  it('give the same system as a full load, for any change', () => {
    fc.assert(
      fc.property(anyItems(), anyItems(), (before, after) => {
        const plan = planChange(differences(before, after), after, 1, carrying(after));
        const turned = intentOf(before) !== intentOf(after) && [intentOf(before), intentOf(after)].includes('OFFLINE');
        assert.equal(plan === null, turned);
        if (plan === null) return;

        const firewall = firewallStateOf(before, 0);
        for (const kind of ['devices', 'sites', 'egress', 'classes', 'profiles', 'bundles'] as const) {
          const there = new Map<string, { readonly id: string }>();
          for (const item of firewall[kind].values()) there.set(item.id, item);
          for (const id of plan.firewall.remove?.[kind] ?? []) there.delete(id);
          for (const item of plan.firewall.upsert?.[kind] ?? []) there.set(item.id, item);
          assert.deepEqual(sorted(there), sorted<unknown>(firewallStateOf(after, 0)[kind]));
        }
        const { masquerade, draining } = firewallStateOf(after, 0);
        assert.deepEqual(plan.firewall.settings, { masquerade, draining, leaseUntil: 1 });

        const peers = new Map<string, PeerConfig>(
          deviceConfigOf(before, { ...facts, peerConfig: carrying(before) }).peers,
        );
        for (const step of plan.wireguard.peers) {
          if (step.kind === 'remove') peers.delete(step.publicKey);
          else setPeer(peers, step.peer);
        }
        const wanted = deviceConfigOf(after, { ...facts, peerConfig: carrying(after) }).peers;
        assert.deepEqual(sorted(peers), sorted(wanted));
        const [from, to] = [hostRoutes(before), hostRoutes(after)];
        if (from !== to) assert.equal(plan.host, true);
      }),
    );
  });

  it('of nothing but the lease touch no peer', () => {
    const items = mapOf([gatewayItem(), deviceItem(1)]);
    const plan = planChange([], items, 5, restingPeer);
    assert.deepEqual([plan?.wireguard.peers, plan?.host, plan?.firewall.settings?.leaseUntil], [[], false, 5]);
    const draining = mapOf([gatewayItem({ intent: 'MAINTENANCE', drainUntil: 3 }), deviceItem(1)]);
    assert.equal(planChange([], draining, 5, restingPeer)?.firewall.settings?.leaseUntil, 3, 'what is drained is cut');
    assert.equal(firewallStateOf(draining, 2).leaseUntil, 2);
    assert.equal(firewallStateOf(mapOf([gatewayItem({ drainUntil: 3 })]), 5).leaseUntil, 5, 'only while it drains');
  });

  it('of members look at the host only where a block comes into use or goes out of it', () => {
    const host = (before: readonly DeviceItem[], after: readonly DeviceItem[]) => {
      const [from, to] = [before, after].map((devices) => mapOf([gatewayItem(), ...devices]));
      return planChange(differences(from ?? new Map(), to ?? new Map()), to ?? new Map(), 1, restingPeer)?.host;
    };
    const far = deviceItem(9, { addresses: ['100.64.9.9', 'fd00:5a11::909'] });
    assert.equal(host([deviceItem(1)], [deviceItem(1), deviceItem(2)]), false);
    assert.equal(host([deviceItem(1), deviceItem(2)], [deviceItem(1)]), false);
    assert.equal(host([deviceItem(1)], [deviceItem(1), far]), true);
    assert.equal(host([deviceItem(1), far], [deviceItem(1)]), true);
    assert.equal(host([deviceItem(1), far], [deviceItem(1), { ...far, addresses: deviceItem(9).addresses }]), true);
  });

  it('remove peers before they add any, and let an endpoint that lives alone', () => {
    const before = mapOf([gatewayItem(), deviceItem(1), deviceItem(2)]);
    const after = mapOf([gatewayItem(), deviceItem(2, { addresses: ['100.64.1.9'] }), deviceItem(3)]);
    const plan = planChange(differences(before, after), after, 1, (item) => ({
      ...restingPeer(item),
      endpoint: '192.0.2.1:5',
    }));
    assert.deepEqual(
      plan?.wireguard.peers.map((step) =>
        step.kind === 'remove' ? 'remove' : [step.peer.endpoint, step.peer.persistentKeepalive],
      ),
      ['remove', [undefined, undefined], ['192.0.2.1:5', 25]],
    );
  });
});

describe('the state in force', () => {
  const items = mapOf([
    gatewayItem(),
    deviceItem(1),
    profileItem('p1', []),
    siteItem('s1'),
    classItem('c1', ['10.0.0.1-10.0.0.9']),
    bundleItem('b1', [{ protocol: 'tcp', from: 1, to: 2, policy: 'p' }]),
    probeItem('x', '10.0.0.1', null),
    peerItem(1, { sources: ['10.3.0.0/16'] }),
    peerItem(2),
    routeItem('10.2.0.0/16', [1, 2]),
    beaconItem(1),
    relayPointItem(3),
    egressItem('e1'),
  ]);
  const wanted = StateHash.of(items.values()).toString();

  const judge = (evidence: GatewayEvidence, of: Items = items) => {
    const inForce = new InForce();
    return { faults: inForce.examine(of, evidence), hash: inForce.hash };
  };

  it('is the desired state when the system shows all of it', () => {
    assert.deepEqual(judge(perfect(items)), { faults: [], hash: wanted });
    const offline = withIntent(items, 'OFFLINE');
    assert.equal(judge(perfect(offline), offline).hash, StateHash.of(offline.values()).toString());
  });

  const spoilt: [string, (evidence: GatewayEvidence) => GatewayEvidence][] = [
    ['a missing peer', (e) => ({ ...e, wireguard: { ...device(e), peers: new Map() } })],
    ['a foreign peer', (e) => ({ ...e, wireguard: { ...device(e), peers: new Map([...device(e).peers, peer(9)]) } })],
    ['no device at all', (e) => ({ ...e, wireguard: null })],
    ['another port', (e) => ({ ...e, wireguard: { ...device(e), listenPort: 1 } })],
    ['another key', (e) => ({ ...e, publicKey: 'other' })],
    ['a missing element', (e) => ({ ...e, firewall: { ...e.firewall, devices: new Map() } })],
    ['a missing site', (e) => ({ ...e, firewall: { ...e.firewall, sites: new Map() } })],
    ['a gateway whose errors are not believed', (e) => ({ ...e, firewall: { ...e.firewall, gateways: new Map() } })],
    ['a missing class', (e) => ({ ...e, firewall: { ...e.firewall, classes: new Map() } })],
    ['other rules', (e) => ({ ...e, firewall: { ...e.firewall, settings: null } })],
    ['a foreign element', (e) => ({ ...e, firewall: { ...e.firewall, differences: ['devices4: x is not ours'] } })],
    ['a missing egress', (e) => ({ ...e, firewall: { ...e.firewall, egress: new Map() } })],
    ['a route without a carrier', (e) => ({ ...e, wireguard: without(e, '10.2.0.0/16') })],
    ['a source that is missing', (e) => ({ ...e, wireguard: without(e, '10.3.0.0/16') })],
    ['a prefix at a peer that must not carry it', (e) => ({ ...e, wireguard: adding(e, '10.7.0.0/16') })],
    ['a mark', (e) => ({ ...e, wireguard: { ...device(e), fwmark: 7 } })],
    ['a missing route', (e) => ({ ...e, hostDifferences: ['no route'] })],
  ];
  for (const [name, spoil] of spoilt) {
    it(`is something else with ${name}`, () => {
      const { faults, hash } = judge(spoil(perfect(items)));
      assert.notEqual(hash, wanted);
      assert.ok(faults.length > 0);
    });
  }

  it('a device whose time is over may be gone from the firewall, not from WireGuard', () => {
    const timed = mapOf([gatewayItem(), deviceItem(1, { expiresAt: 5 })]);
    const evidence = { ...perfect(timed), now: 5 };
    assert.deepEqual(judge({ ...evidence, firewall: { ...evidence.firewall, devices: new Map() } }, timed).faults, []);
    assert.notDeepEqual(judge({ ...evidence, wireguard: { ...device(evidence), peers: new Map() } }, timed).faults, []);
  });

  it('gives the same result for a change as for a full reading', () => {
    fc.assert(
      fc.property(anyItems(), anyItems(), (before, after) => {
        const inForce = new InForce();
        inForce.examine(before, perfect(before));
        inForce.examineTouched(differences(before, after), after, perfect(after));
        if (intentOf(before) === intentOf(after)) assert.equal(inForce.hash, judge(perfect(after), after).hash);
      }),
    );
  });

  it('a route may be with any of its gateways', () => {
    const evidence = perfect(items);
    const peers = new Map(
      [...device(evidence).peers].map(([key, peer]) => {
        const allowedIps = peer.allowedIps.filter((prefix) => prefix !== '10.2.0.0/16');
        return [
          key,
          { ...peer, allowedIps: key === peerItem(2).publicKey ? [...allowedIps, '10.2.0.0/16'] : allowedIps },
        ];
      }),
    );
    assert.equal(judge({ ...evidence, wireguard: { ...device(evidence), peers } }).hash, wanted);
  });

  it('a device that comes in through another gateway has no peer, and must not have one', () => {
    const through = mapOf([gatewayItem(), deviceItem(1, { via: gatewayId(1) })]);
    assert.deepEqual(judge(perfect(through), through).faults, []);
    assert.equal(device(perfect(through)).peers.size, 0);
    const evidence = { ...perfect(through), wireguard: device(perfect(mapOf([gatewayItem(), deviceItem(1)]))) };
    assert.notDeepEqual(judge(evidence, through).faults, []);
  });

  it('a peer that a change should have removed spoils it', () => {
    const inForce = new InForce();
    inForce.examine(items, perfect(items));
    const after = mapOf([...items.values()].filter((item) => item.kind !== 'device'));
    inForce.examineTouched(differences(items, after), after, perfect(items));
    assert.notEqual(inForce.hash, StateHash.of(after.values()).toString());
  });
});

describe('a native device', () => {
  const items = mapOf([
    clientItem(),
    peerItem(1, { sources: ['10.9.0.0/16'] }),
    routeItem('10.2.0.0/16', [1]),
    beaconItem(1),
  ]);
  const client = { ...facts, peerConfig: carrying(items), fwmark: 7, listenPort: 0 };

  it('has a peer for each gateway and beacon, and routes all prefixes', () => {
    const config = clientConfigOf(items, client);
    assert.deepEqual(
      [...config.peers.values()].map(({ allowedIps }) => allowedIps),
      [['100.64.0.1/32', '10.9.0.0/16', '10.2.0.0/16'], []],
    );
    const host = clientHostOf(clientItem(), items, { interface: 'sp0', mark: 7, table: 300 });
    assert.deepEqual(host.prefixes, ['10.2.0.0/16', '10.9.0.0/16']);
    assert.deepEqual(host.members, ['100.64.0.1/32'], 'of the overlay the gateways alone');
    const moved = { before: peerItem(1), after: peerItem(1, { addresses: ['100.64.3.1'] }) };
    assert.equal(movesRoutes(moved), true);
    assert.equal(config.fwmark, 7);
  });

  it('knows which prefixes are the internet of a full tunnel, and what is left of local networks', () => {
    const all = mapOf([routeItem('0.0.0.0/0', [1]), routeItem('10.2.0.0/16', [1], { resources: ['wiki'] })]);
    const facts = { interface: 'sp0', mark: 7, table: 300 };
    const item = clientItem({ localNetwork: 'CLOSED' });
    const host = clientHostOf(item, new Map([...all, ['client', item]]), facts);
    assert.deepEqual([host.prefixes, host.internet], [['0.0.0.0/0', '10.2.0.0/16'], ['0.0.0.0/0']]);
    assert.equal(host.localNetwork, 'CLOSED');
    const [covered, open] = [routeItem('11.0.0.0/8', [1], { resources: ['wiki'] }), routeItem('11.0.0.0/8', [1])];
    assert.equal(movesRoutes({ before: covered, after: open }), true);
    const hashes = [item, clientItem({ localNetwork: 'OPEN' }), clientItem()].map((one) => `${StateHash.of([one])}`);
    assert.equal(new Set(hashes).size, 3);
  });

  it('is in force without any firewall, by key, mark, peers and routes', () => {
    const peers = new Map([...clientConfigOf(items, client).peers].map(([k, c]) => [k, { ...status(k), ...c }]));
    const wireguard = { publicKey, listenPort: 5, fwmark: 7, peers };
    const evidence: Evidence = { wireguard, publicKey, fwmark: 7, firewall: null, hostDifferences: [], now: 1 };
    const faults = (over: Partial<Evidence>) => new InForce().examine(items, { ...evidence, ...over }).length;
    assert.equal(faults({}), 0);
    for (const over of [
      { fwmark: 8 },
      { publicKey: 'other' },
      { wireguard: null },
      { wireguard: { ...wireguard, peers: new Map() } },
      { hostDifferences: ['no route'] },
    ]) {
      assert.ok(faults(over) > 0, JSON.stringify(over));
    }
  });

  it('a change of endpoints, standing or names touches neither peers nor host', () => {
    const peer = peerItem(1, { sources: ['10.9.0.0/16'] });
    const after = { ...peer, endpoints: ['192.0.2.9:1'], standing: 'ERROR' as const, unreachable: ['r'], name: 'x' };
    const change = { before: peer, after };
    assert.deepEqual(peerChanges([change], items, restingPeer), []);
    assert.equal(movesRoutes(change), false);
    assert.equal(movesRoutes({ before: null, after: routeItem('10.4.0.0/16', [1]) }), true);
  });
});

/** Each route at the first of its gateways that has a peer. */
function carrying(items: Items): (item: TunnelItem) => PeerConfig {
  return (item) => {
    const peer = restingPeer(item);
    const routes = [...items.values()].filter((route) => route.kind === 'route');
    const carried = routes.filter(({ gateways }) => gateways.find((id) => items.has(`peer/${id}`)) === item.id);
    return { ...peer, allowedIps: [...peer.allowedIps, ...carried.map(prefixOf).sort()] };
  };
}

/** As a device does it: a prefix belongs to the peer that got it last. */
function setPeer(peers: Map<string, PeerConfig>, peer: PeerConfig): void {
  for (const [key, other] of peers) {
    peers.set(key, { ...other, allowedIps: other.allowedIps.filter((prefix) => !peer.allowedIps.includes(prefix)) });
  }
  peers.set(peer.publicKey, peer);
}

function hostRoutes(items: Items): string {
  const { routes, members = [], onward = false } = hostStateOf(gatewayItem(), items, 'sp0');
  return [...routes, ...members, onward].join();
}

function without(evidence: GatewayEvidence, prefix: string): DeviceStatus {
  return withPrefixes(evidence, (prefixes) => prefixes.filter((text) => text !== prefix));
}

function adding(evidence: GatewayEvidence, prefix: string): DeviceStatus {
  return withPrefixes(evidence, (prefixes, key) => (key === peerItem(2).publicKey ? [...prefixes, prefix] : prefixes));
}

function withPrefixes(
  evidence: GatewayEvidence,
  change: (prefixes: readonly string[], key: string) => readonly string[],
): DeviceStatus {
  const { peers, ...rest } = device(evidence);
  return { ...rest, peers: new Map([...peers].map(([k, p]) => [k, { ...p, allowedIps: change(p.allowedIps, k) }])) };
}

function mapOf(items: readonly StateItem[]): Map<string, StateItem> {
  return new Map(items.map((item) => [item.key, item]));
}

function withIntent(items: Items, intent: 'ACTIVE' | 'MAINTENANCE' | 'OFFLINE'): Items {
  return new Map([...items, ['gateway', gatewayItem({ intent })]]);
}

function intentOf(items: Items): string | null {
  const gateway = items.get('gateway');
  return gateway?.kind === 'gateway' ? gateway.intent : null;
}

function differences(before: Items, after: Items): ItemChange[] {
  const keys = new Set([...before.keys(), ...after.keys()]);
  return [...keys]
    .map((key) => ({ before: before.get(key) ?? null, after: after.get(key) ?? null }))
    .filter((change) => JSON.stringify(change.before) !== JSON.stringify(change.after));
}

/** A system that shows exactly these items. */
function perfect(items: Items): GatewayEvidence {
  const state = firewallStateOf(items, 1);
  const gateway = items.get('gateway');
  const { peers } = deviceConfigOf(items, { ...facts, peerConfig: carrying(items) });
  const wireguard: DeviceStatus = {
    publicKey,
    listenPort: gateway?.kind === 'gateway' ? gateway.listenPort : 0,
    fwmark: 0,
    peers: new Map([...peers].map(([key, config]) => [key, { ...status(key), allowedIps: config.allowedIps }])),
  };
  const { masquerade, draining, devices, sites, gateways, egress, classes, profiles, bundles } = state;
  const firewall: FoundFirewall = {
    settings: { masquerade, draining },
    devices,
    sites,
    gateways,
    egress,
    classes,
    profiles,
    bundles,
    differences: [],
  };
  return { wireguard, publicKey, firewall, hostDifferences: [], now: 1 };
}

function device({ wireguard }: GatewayEvidence): DeviceStatus {
  assert.ok(wireguard);
  return wireguard;
}

function peer(n: number): [string, ReturnType<typeof status>] {
  const { publicKey: key } = deviceItem(n);
  return [key, status(key)];
}

function status(key: string) {
  return { publicKey: key, allowedIps: [] as readonly string[], lastHandshake: null, rxBytes: 0, txBytes: 0 };
}

function sorted<T>(map: ReadonlyMap<string, T>): [string, T][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}

function anyItems(): fc.Arbitrary<Items> {
  const n = fc.integer({ min: 1, max: 5 });
  const item: fc.Arbitrary<StateItem> = fc.oneof(
    fc
      .record({ n, profile: fc.constantFrom('p1', 'p2', null), key: n })
      .map(({ n, profile, key }) =>
        deviceItem(n, { profile, publicKey: Buffer.alloc(32, n * 10 + (key % 2)).toString('base64') }),
      ),
    fc
      .tuple(n, n, fc.option(n))
      .map(([n, p, until]) =>
        siteItem(`s${n}`, { prefixes: [`10.${n}.0.0/16`], profile: `p${p}`, expiresAt: until && until * 1000 }),
      ),
    n.map((n) => profileItem(`p${n}`, [{ class: `c${n}`, bundle: `b${n}`, expiresAt: null }])),
    fc.tuple(n, n).map(([n, last]) => classItem(`c${n}`, [`10.0.${n}.0-10.0.${n}.${last}`])),
    fc.tuple(n, n).map(([n, to]) => bundleItem(`b${n}`, [{ protocol: 'tcp', from: 1, to, policy: 'p' }])),
    n.map((n) => probeItem(`x${n}`, '10.0.0.1', n)),
    fc.tuple(n, fc.boolean()).map(([n, site]) => peerItem(n, { sources: site ? [`10.${n + 20}.0.0/16`] : [] })),
    fc.tuple(n, fc.uniqueArray(n, { minLength: 1 })).map(([n, by]) => routeItem(`10.${n + 10}.0.0/16`, by)),
    n.map((n) => beaconItem(n)),
    fc.tuple(n, n).map(([n, m]) => egressItem(`e${n}`, { sources: [`10.${m}.0.0/16`] })),
    n.map((n) => deviceItem(n, { via: gatewayId(n) })),
  );
  const intent = fc.constantFrom('ACTIVE', 'ACTIVE', 'MAINTENANCE', 'OFFLINE');
  return fc
    .tuple(intent, n, fc.array(item, { maxLength: 12 }))
    .map(([intent, port, items]) => mapOf([gatewayItem({ intent, listenPort: 51820 + port }), ...items]));
}

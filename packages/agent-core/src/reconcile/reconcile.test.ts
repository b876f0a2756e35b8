import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StateHash, type StateItem } from '@sallyport/contract/channel';
import type { FoundFirewall } from '@sallyport/hostnet';
import type { DeviceStatus, PeerConfig } from '@sallyport/wireguard';
import fc from 'fast-check';
import type { ItemChange } from '../session/types.ts';
import { bundleItem, classItem, deviceItem, gatewayItem, probeItem, profileItem, siteItem } from '../testing/items.ts';
import { planChange } from './change.ts';
import { type Evidence, InForce } from './evidence.ts';
import { deviceConfigOf, firewallStateOf, hostStateOf } from './wanted.ts';

type Items = ReadonlyMap<string, StateItem>;

const facts = { interface: 'sp0', privateKey: 'unused', endpointOf: () => undefined };
const publicKey = 'ours';

describe('what items come to', () => {
  const items = mapOf([gatewayItem(), deviceItem(1), profileItem('p1', []), classItem('c1', ['10.0.0.1-10.0.0.9'])]);

  it('peers own exactly their device’s addresses', () => {
    const peer = deviceConfigOf(items, facts).peers.get(deviceItem(1).publicKey);
    assert.deepEqual(peer?.allowedIps, ['100.64.1.1/32', 'fd00:5a11::1:1/128']);
    assert.equal(peer?.endpoint, undefined);
  });

  it('a remembered endpoint is tried first', () => {
    const { peers } = deviceConfigOf(items, { ...facts, endpointOf: () => '192.0.2.1:5' });
    assert.equal([...peers.values()][0]?.endpoint, '192.0.2.1:5');
  });

  it('own addresses get their length', () => {
    const { addresses } = hostStateOf(gatewayItem({ addresses: ['100.64.0.1', 'fd00::1/128'] }), 'sp0');
    assert.deepEqual(addresses, ['100.64.0.1/32', 'fd00::1/128']);
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
  it('lead where loading leads, whatever changes', () => {
    fc.assert(
      fc.property(anyItems(), anyItems(), (before, after) => {
        const plan = planChange(differences(before, after), after, 1, facts);
        const turned = intentOf(before) !== intentOf(after) && [intentOf(before), intentOf(after)].includes('OFFLINE');
        assert.equal(plan === null, turned);
        if (plan === null) return;

        const firewall = firewallStateOf(before, 0);
        for (const kind of ['devices', 'sites', 'classes', 'profiles', 'bundles'] as const) {
          const there = new Map<string, { readonly id: string }>();
          for (const item of firewall[kind].values()) there.set(item.id, item);
          for (const id of plan.firewall.remove?.[kind] ?? []) there.delete(id);
          for (const item of plan.firewall.upsert?.[kind] ?? []) there.set(item.id, item);
          assert.deepEqual(sorted(there), sorted<unknown>(firewallStateOf(after, 0)[kind]));
        }
        const { masquerade, draining } = firewallStateOf(after, 0);
        assert.deepEqual(plan.firewall.settings, { masquerade, draining, leaseUntil: 1 });

        const peers = new Map<string, PeerConfig>(deviceConfigOf(before, facts).peers);
        for (const step of plan.wireguard.peers) {
          if (step.kind === 'remove') peers.delete(step.publicKey);
          else peers.set(step.peer.publicKey, step.peer);
        }
        assert.deepEqual(sorted(peers), sorted(deviceConfigOf(after, facts).peers));
      }),
    );
  });

  it('of nothing but the lease touch no peer', () => {
    const items = mapOf([gatewayItem(), deviceItem(1)]);
    const plan = planChange([], items, 5, facts);
    assert.deepEqual([plan?.wireguard.peers, plan?.host, plan?.firewall.settings?.leaseUntil], [[], false, 5]);
  });

  it('remove peers before they add any, and let an endpoint that lives alone', () => {
    const before = mapOf([gatewayItem(), deviceItem(1), deviceItem(2)]);
    const after = mapOf([gatewayItem(), deviceItem(2, { addresses: ['100.64.1.9'] }), deviceItem(3)]);
    const plan = planChange(differences(before, after), after, 1, { endpointOf: () => '192.0.2.1:5' });
    assert.deepEqual(
      plan?.wireguard.peers.map((step) =>
        step.kind === 'remove' ? 'remove' : [step.peer.endpoint, step.peer.persistentKeepalive],
      ),
      ['remove', [undefined, undefined], ['192.0.2.1:5', 25]],
    );
  });
});

describe('what is in force', () => {
  const items = mapOf([
    gatewayItem(),
    deviceItem(1),
    profileItem('p1', []),
    siteItem('s1'),
    classItem('c1', ['10.0.0.1-10.0.0.9']),
    bundleItem('b1', [{ protocol: 'tcp', from: 1, to: 2, policy: 'p' }]),
    probeItem('x', '10.0.0.1', null),
  ]);
  const wanted = StateHash.of(items.values()).toString();

  const judge = (evidence: Evidence, of: Items = items) => {
    const inForce = new InForce();
    return { faults: inForce.examine(of, evidence), hash: inForce.hash };
  };

  it('is the desired state when the system shows all of it', () => {
    assert.deepEqual(judge(perfect(items)), { faults: [], hash: wanted });
    const offline = withIntent(items, 'OFFLINE');
    assert.equal(judge(perfect(offline), offline).hash, StateHash.of(offline.values()).toString());
  });

  const spoilt: [string, (evidence: Evidence) => Evidence][] = [
    ['a missing peer', (e) => ({ ...e, wireguard: { ...device(e), peers: new Map() } })],
    ['a foreign peer', (e) => ({ ...e, wireguard: { ...device(e), peers: new Map([...device(e).peers, peer(9)]) } })],
    ['no device at all', (e) => ({ ...e, wireguard: null })],
    ['another port', (e) => ({ ...e, wireguard: { ...device(e), listenPort: 1 } })],
    ['another key', (e) => ({ ...e, publicKey: 'other' })],
    ['a missing element', (e) => ({ ...e, firewall: { ...e.firewall, devices: new Map() } })],
    ['a missing site', (e) => ({ ...e, firewall: { ...e.firewall, sites: new Map() } })],
    ['a missing class', (e) => ({ ...e, firewall: { ...e.firewall, classes: new Map() } })],
    ['other rules', (e) => ({ ...e, firewall: { ...e.firewall, settings: null } })],
    ['a foreign element', (e) => ({ ...e, firewall: { ...e.firewall, differences: ['devices4: x is not ours'] } })],
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

  it('follows changes as it would follow a whole look', () => {
    fc.assert(
      fc.property(anyItems(), anyItems(), (before, after) => {
        const inForce = new InForce();
        inForce.examine(before, perfect(before));
        inForce.examineTouched(differences(before, after), after, perfect(after));
        if (intentOf(before) === intentOf(after)) assert.equal(inForce.hash, judge(perfect(after), after).hash);
      }),
    );
  });

  it('a peer that a change should have removed spoils it', () => {
    const inForce = new InForce();
    inForce.examine(items, perfect(items));
    const after = mapOf([...items.values()].filter((item) => item.kind !== 'device'));
    inForce.examineTouched(differences(items, after), after, perfect(items));
    assert.notEqual(inForce.hash, StateHash.of(after.values()).toString());
  });
});

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
function perfect(items: Items): Evidence {
  const state = firewallStateOf(items, 1);
  const gateway = items.get('gateway');
  const { peers } = deviceConfigOf(items, facts);
  const wireguard: DeviceStatus = {
    publicKey,
    listenPort: gateway?.kind === 'gateway' ? gateway.listenPort : 0,
    fwmark: 0,
    peers: new Map([...peers].map(([key, config]) => [key, { ...status(key), allowedIps: config.allowedIps }])),
  };
  const { masquerade, draining, devices, sites, classes, profiles, bundles } = state;
  const firewall: FoundFirewall = {
    settings: { masquerade, draining },
    devices,
    sites,
    classes,
    profiles,
    bundles,
    differences: [],
  };
  return { wireguard, publicKey, firewall, hostDifferences: [], now: 1 };
}

function device({ wireguard }: Evidence): DeviceStatus {
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
  );
  const intent = fc.constantFrom('ACTIVE', 'ACTIVE', 'MAINTENANCE', 'OFFLINE');
  return fc
    .tuple(intent, n, fc.array(item, { maxLength: 12 }))
    .map(([intent, port, items]) => mapOf([gatewayItem({ intent, listenPort: 51820 + port }), ...items]));
}

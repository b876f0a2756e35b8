import type { Grant } from '@sallyport/contract/channel';
import fc from 'fast-check';
import type { FirewallDelta, FirewallItems } from '../firewall/state.ts';
import type {
  AddressClass,
  Bundle,
  Cell,
  Egress,
  FirewallDevice,
  FirewallState,
  PeerGateway,
  Profile,
  Site,
} from '../types.ts';

/** Small sets of values, so that random items collide. */
const time = fc.option(
  fc.integer({ min: 1, max: 60 }).map((seconds) => seconds * 1000),
  { freq: 3 },
);
const profileId = fc.constantFrom('p0', 'p1', 'p2');
const classId = fc.constantFrom('c0', 'c1', 'c2', 'c3');
const bundleId = fc.constantFrom('b0', 'b1', 'b2');

/** Each address belongs to one device for good, because a state with two owners is refused. */
export const device: fc.Arbitrary<FirewallDevice> = fc
  .record({
    id: fc.constantFrom('d0', 'd1', 'd2', 'd3'),
    profile: fc.option(profileId, { freq: 5 }),
    expiresAt: time,
    one: fc.boolean(),
  })
  .map(({ one, ...rest }) => {
    const number = Number(rest.id.slice(1)) + 1;
    const addresses = [`100.64.0.${number}`, `fd7a:1::${number}`];
    return { ...rest, addresses: one ? addresses.slice(0, 1) : addresses };
  });

/** Each class also has its own range of addresses, adjacent to the next one. */
export const addressClass: fc.Arbitrary<AddressClass> = fc
  .tuple(classId, fc.uniqueArray(fc.integer({ min: 0, max: 7 }), { minLength: 0, maxLength: 4 }))
  .map(([id, blocks]) => {
    const start = Number(id.slice(1)) * 64;
    const ranges = blocks.flatMap((block) => {
      const first = start + block * 8;
      return [`10.0.0.${first}-10.0.0.${first + 7}`, `fd00::${hex(first)}-fd00::${hex(first + 7)}`];
    });
    return { id, ranges };
  });

/** Each site also has its own prefixes. The wide ones contain the overlay, which is not part of the site. */
export const site: fc.Arbitrary<Site> = fc
  .record({ id: fc.constantFrom('s0', 's1'), profile: profileId, expiresAt: time, wide: fc.boolean() })
  .map(({ wide, ...rest }) => {
    const number = Number(rest.id.slice(1));
    const [narrow, large] = number ? ['192.168.1.0/24', '100.0.0.0/8'] : ['192.168.0.0/24', 'fd00::/9'];
    return { ...rest, prefixes: wide ? [narrow, large] : [narrow] };
  });

export const gateway: fc.Arbitrary<PeerGateway> = fc
  .record({ id: fc.constantFrom('g0', 'g1'), expiresAt: time })
  .map(({ id, expiresAt }) => ({
    id,
    expiresAt,
    addresses: [`100.64.9.${id.slice(1)}`, `fd7a:1:0:9::${id.slice(1)}`],
  }));

/** Items of egress may overlap with each other and with the overlay. */
export const egress: fc.Arbitrary<Egress> = fc
  .record({
    id: fc.constantFrom('e0', 'e1', 'e2'),
    sources: prefixes('10.7.0.0/16', '10.7.4.0/24', '10.7.5.0/24', '0.0.0.0/0', 'fd07::/16'),
    destinations: prefixes('10.8.0.0/16', '10.8.4.0/22', '10.0.0.0/8', 'fd08::/16', '::/0'),
    expiresAt: time,
  })
  .map((item) => ({ ...item }));

function prefixes(...texts: string[]): fc.Arbitrary<string[]> {
  return fc.uniqueArray(fc.constantFrom(...texts), { minLength: 1, maxLength: 3 });
}

const after = fc.option(
  fc.array(fc.record({ bundle: bundleId, expiresAt: time }, { noNullPrototype: true }), { maxLength: 3 }),
  {
    nil: undefined,
  },
);

export const profile: fc.Arbitrary<Profile> = fc
  .tuple(
    profileId,
    fc.uniqueArray(fc.record({ class: classId, bundle: bundleId, expiresAt: time, after }, { noNullPrototype: true }), {
      selector: (cell: Cell) => cell.class,
      maxLength: 4,
    }),
  )
  .map(([id, cells]) => ({ id, cells }));

const edges = fc.uniqueArray(fc.constantFrom(0, 1, 22, 23, 80, 81, 443, 1000, 1001, 65534, 65535), { maxLength: 8 });
const policy = fc.constantFrom('pol-1', 'pol-2', 'pol 3/ü');

export const bundle: fc.Arbitrary<Bundle> = fc
  .record({ id: bundleId, tcp: edges, udp: edges, icmp: fc.boolean(), other: fc.boolean(), policy, second: policy })
  .map(({ id, tcp, udp, icmp, other, policy: first, second }) => {
    const grants: Grant[] = [];
    for (const [protocol, ports] of [
      ['tcp', tcp],
      ['udp', udp],
    ] as const) {
      const sorted = [...ports].sort((a, b) => a - b);
      for (let index = 0; index + 1 < sorted.length; index += 2) {
        grants.push({
          protocol,
          from: sorted[index] ?? 0,
          to: sorted[index + 1] ?? 0,
          policy: index % 4 ? second : first,
        });
      }
    }
    if (icmp) grants.push({ protocol: 'icmp', from: 0, to: 65535, policy: first });
    if (other) grants.push({ protocol: 'other', from: 0, to: 65535, policy: second });
    return { id, grants };
  });

const some = <T extends { id: string }>(item: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
  fc.uniqueArray(item, { selector: ({ id }) => id, maxLength: 3 });

const upsert: fc.Arbitrary<FirewallItems> = fc.record({
  devices: some(device),
  sites: some(site),
  gateways: some(gateway),
  egress: some(egress),
  classes: some(addressClass),
  profiles: some(profile),
  bundles: some(bundle),
});

export const delta: fc.Arbitrary<FirewallDelta> = fc.record(
  {
    upsert,
    remove: fc.record(
      {
        devices: fc.subarray(['d0', 'd1', 'd2', 'd3'], { maxLength: 1 }),
        sites: fc.subarray(['s0', 's1'], { maxLength: 1 }),
        gateways: fc.subarray(['g0', 'g1'], { maxLength: 1 }),
        egress: fc.subarray(['e0', 'e1', 'e2'], { maxLength: 1 }),
        classes: fc.subarray(['c0', 'c1', 'c2', 'c3'], { maxLength: 1 }),
        profiles: fc.subarray(['p0', 'p1', 'p2'], { maxLength: 1 }),
        bundles: fc.subarray(['b0', 'b1', 'b2'], { maxLength: 1 }),
      },
      { requiredKeys: [] },
    ),
    settings: fc.record(
      { masquerade: fc.boolean(), draining: fc.boolean(), leaseUntil: fc.constantFrom(30_000, 90_000) },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: [] },
);

export const state: fc.Arbitrary<FirewallState> = fc
  .record({ upsert, masquerade: fc.boolean(), draining: fc.boolean() })
  .map(({ upsert: items, masquerade, draining }) => ({
    masquerade,
    draining,
    leaseUntil: 60_000,
    devices: byId(items.devices),
    sites: byId(items.sites),
    gateways: byId(items.gateways),
    egress: byId(items.egress),
    classes: byId(items.classes),
    profiles: byId(items.profiles),
    bundles: byId(items.bundles),
  }));

/** Applies a delta by its definition, independently of the model. */
export function applyDelta(before: FirewallState, change: FirewallDelta): FirewallState {
  const merge = <T extends { id: string }>(
    items: ReadonlyMap<string, T>,
    remove: readonly string[] = [],
    put: readonly T[] = [],
  ): ReadonlyMap<string, T> => {
    const result = new Map(items);
    for (const id of remove) result.delete(id);
    for (const item of put) result.set(item.id, item);
    return result;
  };
  const { names: _, ...settings } = change.settings ?? {};
  return {
    ...before,
    ...settings,
    devices: merge(before.devices, change.remove?.devices, change.upsert?.devices),
    sites: merge(before.sites, change.remove?.sites, change.upsert?.sites),
    gateways: merge(before.gateways, change.remove?.gateways, change.upsert?.gateways),
    egress: merge(before.egress, change.remove?.egress, change.upsert?.egress),
    classes: merge(before.classes, change.remove?.classes, change.upsert?.classes),
    profiles: merge(before.profiles, change.remove?.profiles, change.upsert?.profiles),
    bundles: merge(before.bundles, change.remove?.bundles, change.upsert?.bundles),
  };
}

function byId<T extends { id: string }>(items: readonly T[]): Map<string, T> {
  return new Map(items.map((item) => [item.id, item]));
}

function hex(value: number): string {
  return value.toString(16);
}

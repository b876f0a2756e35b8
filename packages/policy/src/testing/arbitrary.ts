import fc from 'fast-check';
import type {
  PortRange,
  WorldChange,
  WorldDevice,
  WorldGateway,
  WorldGroup,
  WorldPolicy,
  WorldRelay,
  WorldResource,
  WorldRule,
  WorldUser,
} from '../types.ts';
import { device, everyPort, gateway, rule, settings, user } from './build.ts';

/** Random small worlds in which many things overlap: few ids, few prefixes, few ports. */

/** Ids of gateways. */
export const gatewayIds = ['g1', 'g2', 'g3'];
/** Ids of devices. */
export const deviceIds = ['d1', 'd2', 'd3', 'd4', 'd5'];
const userIds = ['u1', 'u2', 'u3'];
const groupIds = ['ga', 'gb'];
const ruleIds = ['built-in', 'r1', 'r2', 'r3'];
const resourceIds = ['r1', 'r2', 'r3', 'r4', 'r5'];
const relayIds = ['x1', 'x2', 'x3', 'x4'];
const policyIds = ['p1', 'p2', 'p3', 'p4', 'p5', 'p6', 'p7', 'p8', 'p9'];

/** Prefixes that nest, adjoin, are disjoint, or cover reserved ranges. */
const prefixes = [
  '0.0.0.0/0',
  '10.0.0.0/8',
  '10.1.0.0/16',
  '10.1.1.0/24',
  '10.1.1.0/31',
  '10.1.1.0',
  '10.1.1.1',
  '10.1.1.255',
  '10.1.2.0/24',
  '96.0.0.0/3',
  '100.64.3.0/24',
  '127.0.0.1',
  '169.254.0.0/15',
  '::/0',
  'fd00::/8',
  'fd10::/16',
  'fd10::1',
  'fd50:1::7',
  'fe80::/9',
  '8.8.0.0/16',
  '8.8.8.8',
  '2606:4700::/32',
];

const destinations = [
  ...['0.0.0.0', '0.255.255.255', '1.0.0.0', '9.255.255.255', '10.0.0.0', '10.0.255.255', '10.1.0.0', '10.1.0.255'],
  ...['10.1.1.0', '10.1.1.1', '10.1.1.2', '10.1.1.254', '10.1.1.255', '10.1.2.0', '10.1.2.255', '10.1.3.0'],
  ...['10.255.255.255', '11.0.0.0', '95.255.255.255', '96.0.0.0', '100.63.255.255', '100.64.0.0', '100.64.3.1'],
  ...[
    '100.96.0.5',
    '100.96.0.6',
    '100.96.0.7',
    '100.127.255.255',
    '100.128.0.0',
    '126.255.255.255',
    '127.0.0.1',
    '127.255.255.255',
    '128.0.0.0',
    '169.253.0.1',
  ],
  ...['169.254.0.0', '169.255.0.0', '223.255.255.255', '224.0.0.1', '240.0.0.1', '255.255.255.254', '255.255.255.255'],
  ...['::', '::1', '::2', '::ffff:10.1.1.1', 'fd00::1', 'fd10::', 'fd10::1', 'fd10::2', 'fd10:ffff::', 'fd50:1::7'],
  ...['fd50:2::', 'fdff::1', 'fe00::1', 'fe7f::1', 'fe80::1', 'febf::1', 'fec0::1', 'feff::1', 'ff02::1', '2001::1'],
  ...['8.8.7.255', '8.8.8.8', '8.9.0.0', '172.16.0.1', '192.168.1.1', '2606:4700::1', '2a00::1', '2001:db8::1'],
];

const protocol = fc.constantFrom('tcp' as const, 'udp' as const, 'icmp' as const, 'other' as const);
const port: fc.Arbitrary<number> = fc.constantFrom(0, 1, 22, 79, 80, 81, 442, 443, 444, 8000, 65535);

const portRange = fc.tuple(protocol, port, port).map(([name, a, b]): PortRange => {
  if (name === 'icmp' || name === 'other') return { protocol: name, from: 0, to: 65535 };
  return { protocol: name, from: Math.min(a, b), to: Math.max(a, b) };
});

const ports = fc.oneof(
  { weight: 1, arbitrary: fc.constant(everyPort) },
  { weight: 1, arbitrary: fc.array(portRange, { minLength: 1, maxLength: 3 }) },
);

const some = (ids: readonly string[]) => fc.subarray([...ids], { minLength: 1, maxLength: Math.min(3, ids.length) });
const shuffled = (ids: readonly string[]) =>
  fc.oneof({ weight: 4, arbitrary: fc.shuffledSubarray([...ids], { minLength: 1 }) }, fc.constant([]));

const seldom = fc.constantFrom(true, false, false, false, false);

const aGateway = fc
  .record({
    id: fc.constantFrom(...gatewayIds),
    intent: fc.constantFrom(
      'ACTIVE' as const,
      'ACTIVE' as const,
      'ACTIVE' as const,
      'MAINTENANCE' as const,
      'OFFLINE' as const,
    ),
    masquerade: fc.boolean(),
    mtu: fc.constantFrom(null, 1200, 1420),
    publicKey: fc.constantFrom(...['c', 'd', 'c', 'd'].map((c) => `${c.repeat(43)}=`), null),
    endpoints: fc.constantFrom(['gw.example.net:51820'], ['198.51.100.1:51820', '[2001:db8::1]:51820'], []),
    relayEnabled: fc.boolean(),
    relayPorts: fc.constantFrom({ from: 51900, to: 51999 }, { from: 51950, to: 51999 }),
    failing: seldom,
    unreachable: fc.subarray(resourceIds),
  })
  .map(({ id, ...given }): WorldGateway => gateway(id, given));

/** Overlay addresses of a device. No two devices share one. */
const addressesOf = (id: string) => [`100.64.0.${id.slice(1)}`];

const aDevice = fc
  .record({
    id: fc.constantFrom(...deviceIds),
    active: fc.constantFrom(true, true, true, false),
    user: fc.option(fc.constantFrom(...userIds), { freq: 4 }),
    publicKey: fc.constantFrom(...['a', 'b'].map((c) => `${c.repeat(43)}=`)),
    posture: fc.constantFrom({}, { compliant: true }, { compliant: false }, { compliant: 'yes' }),
    country: fc.constantFrom(null, 'CH', 'DE'),
    sourceIp: fc.constantFrom(null, '203.0.113.7', '10.9.0.1'),
    native: fc.constantFrom(true, true, false),
    endpoint: fc.constantFrom(null, '203.0.113.7:40000'),
    entryGateway: fc.option(fc.constantFrom(...gatewayIds)),
  })
  .map(({ id, ...given }): WorldDevice => device(id, { ...given, addresses: addressesOf(id) }));

const aUser = fc
  .record({
    id: fc.constantFrom(...userIds),
    active: fc.constantFrom(true, true, true, true, false),
    department: fc.constantFrom(null, 'Engineering', 'Sales'),
    groups: fc.subarray(groupIds),
  })
  .map(({ id, ...given }): WorldUser => user(id, given));

const aGroup = fc
  .record({ id: fc.constantFrom(...groupIds), name: fc.constantFrom('A', 'B') })
  .map((given): WorldGroup => given);

/** Conditions that depend on the time, on other inputs or on both, and some that fail. */
const condition = fc.constantFrom(
  "time.between('08:00', '18:00')",
  "time.between('22:00', '02:30')",
  "time.weekday in ['SA', 'SU']",
  "time.onWeekdays('MO', 'TU', 'SU')",
  'time.hour < 12',
  'time.minute >= 30',
  "time.date == '2026-03-29'",
  "time.before('2026-03-29T02:30')",
  "time.after('2026-10-25T02:30')",
  "user.department == 'Engineering'",
  "'A' in groups",
  'posture.compliant == true',
  "source.inCountry('CH', 'AT')",
  "source.inCidr('203.0.113.0/24')",
  'true',
);

/** Sources of rules. */
export const ruleSource = fc.oneof(
  condition,
  fc.tuple(condition, condition).map(([a, b]) => `${a} && ${b}`),
  fc.tuple(condition, condition).map(([a, b]) => `!(${a}) || ${b}`),
  fc.tuple(condition, condition, condition).map(([a, b, c]) => `(${a} || ${b}) && !(${c})`),
);

/** Time zones with and without daylight saving, one of them with a shift of half an hour. */
export const zoneName = fc.constantFrom(
  'UTC',
  'Europe/Zurich',
  'America/New_York',
  'Australia/Lord_Howe',
  'Asia/Kolkata',
);

/** Epoch milliseconds, often near a clock change or on a full minute. */
export const instant = fc.oneof(
  fc.integer({ min: Date.UTC(2026, 2, 27), max: Date.UTC(2026, 3, 6) }),
  fc.integer({ min: Date.UTC(2026, 9, 23), max: Date.UTC(2026, 10, 3) }),
  fc
    .integer({ min: Date.UTC(2026, 2, 27) / 60_000, max: Date.UTC(2026, 3, 6) / 60_000 })
    .map((minutes) => minutes * 60_000),
);

const aRule = fc
  .record({ id: fc.constantFrom(...ruleIds.slice(1)), source: ruleSource, timeZone: fc.option(zoneName) })
  .map(({ id, source, timeZone }): WorldRule => rule(id, source, { timeZone }));

/** Virtual addresses of two names, in the networks of all gateways or of some. */
const aName = fc
  .record({ n: fc.constantFrom(5, 6), gateways: fc.option(fc.subarray(gatewayIds), { nil: undefined }) })
  .map(({ n, gateways }) => ({
    ...{ prefix: `100.96.0.${n}/32`, name: `n${n}.corp` },
    ...(gateways !== undefined && { gateways }),
  }));
/** The same names under a wildcard, and the wildcard itself. */
const aCoveredName = fc.oneof(
  aName.map((name) => ({ ...name, wildcard: '*.corp' })),
  fc.constant({ prefix: '100.96.0.7/32', name: '*.corp' }),
);
const anAddress = fc.oneof(
  { weight: 5, arbitrary: fc.record({ prefix: fc.constantFrom(...prefixes), ports }) },
  { weight: 1, arbitrary: fc.record({ name: aName, ports }).map(({ name, ...rest }) => ({ ...name, ...rest })) },
  { weight: 1, arbitrary: fc.record({ name: aCoveredName, ports }).map(({ name, ...rest }) => ({ ...name, ...rest })) },
);

const aResource = fc
  .record({
    id: fc.constantFrom(...resourceIds),
    type: fc.constantFrom('PRIVATE' as const, 'PRIVATE' as const, 'SAAS' as const, 'INTERNET' as const),
    addresses: fc.array(anAddress, { minLength: 1, maxLength: 3 }),
    gateways: shuffled(gatewayIds),
    mode: fc.constantFrom('MANUAL' as const, 'AUTOMATIC' as const),
    name: fc.constantFrom('wiki', 'git'),
  })
  .map((given): WorldResource => {
    const fitting = given.addresses.filter((address) => given.type === 'PRIVATE' || !('name' in address));
    const addresses = fitting.map((address, i) => ({ id: `${given.id}a${i}`, ...address }));
    return { ...given, addresses };
  });

const sitePrefixes = ['192.168.0.0/16', '192.168.1.0/24', '192.168.1.7', '100.64.0.0/9', '0.0.0.0/0', 'fd20::/16'];
/** Prefixes and addresses of sites. */
export const siteSources = [
  '192.168.0.1',
  '192.168.1.1',
  '192.168.1.7',
  '100.64.9.9',
  '10.1.1.1',
  'fd20::1',
  '8.8.8.8',
];

const aPolicy = fc.record({
  id: fc.constantFrom(...policyIds),
  type: fc.constantFrom(
    ...(['PRIVATE', 'PRIVATE', 'PRIVATE', 'SAAS', 'INTERNET', 'INTERNET', 'SITETOSITE', 'SITETOSITE'] as const),
  ),
  order: fc.nat(6),
  allow: fc.constantFrom(true, true, false),
  isDefault: fc.constant(false),
  allUsers: seldom,
  allGroups: seldom,
  allDevices: seldom,
  allResources: seldom,
  users: fc.subarray(userIds),
  groups: fc.subarray(groupIds, { maxLength: 1 }),
  devices: fc.subarray(deviceIds, { maxLength: 3 }),
  resources: fc.oneof({ weight: 3, arbitrary: some(resourceIds) }, fc.constant([])),
  gateways: shuffled(gatewayIds),
  rule: fc.constantFrom(...ruleIds, 'built-in', 'built-in', 'gone'),
  mode: fc.constantFrom(
    'LOCAL' as const,
    'RESTRICTED' as const,
    ...Array(3).fill('INTERNET_ACCESS_POINT' as const),
    null,
  ),
  sourceIps: fc.subarray(sitePrefixes, { maxLength: 3 }),
}) satisfies fc.Arbitrary<WorldPolicy>;

const overlays = ['100.64.0.0/10', '10.1.0.0/16'];

const beacon = { id: '1', publicKey: `${'e'.repeat(43)}=`, endpoint: 'beacon.example.net:51819' };
const beaconAt = (place: string) => ({ ...beacon, endpoint: `${place}.example.net:51819`, place });

const aSettings = fc
  .record({
    v4: fc.constantFrom(...overlays),
    mtu: fc.constantFrom(1280, 1420),
    timeZone: zoneName,
    beacons: fc.constantFrom([], [beacon], [beaconAt('a')], [beaconAt('a'), beaconAt('b')]),
  })
  .map(({ v4, ...given }) => ({ overlay: { ...settings.overlay, v4 }, ...given }));

/** Relays between any agents, mostly a device and a gateway; some at ports that the relay does not have. */
const aRelay = fc.record({
  id: fc.constantFrom(...relayIds),
  a: fc.constantFrom(...deviceIds, ...deviceIds, ...gatewayIds),
  b: fc.constantFrom(...gatewayIds),
  relay: fc.constantFrom(...gatewayIds),
  port: fc.constantFrom(51900, 51901, 51960, 52000),
}) satisfies fc.Arbitrary<WorldRelay>;

const set = <K extends string, V extends { id: string }>(kind: K, value: fc.Arbitrary<V>) =>
  value.map((object) => ({ kind, id: object.id, value: object }));

const removal = fc.oneof(
  fc.constantFrom(...gatewayIds).map((id) => ({ kind: 'gateway' as const, id, value: null })),
  fc.constantFrom(...deviceIds).map((id) => ({ kind: 'device' as const, id, value: null })),
  fc.constantFrom(...userIds).map((id) => ({ kind: 'user' as const, id, value: null })),
  fc.constantFrom(...groupIds).map((id) => ({ kind: 'group' as const, id, value: null })),
  fc.constantFrom(...ruleIds).map((id) => ({ kind: 'rule' as const, id, value: null })),
  fc.constantFrom(...resourceIds).map((id) => ({ kind: 'resource' as const, id, value: null })),
  fc.constantFrom(...policyIds).map((id) => ({ kind: 'policy' as const, id, value: null })),
  fc.constantFrom(...relayIds).map((id) => ({ kind: 'relay' as const, id, value: null })),
);

/** A random change of a world. */
export const change: fc.Arbitrary<WorldChange> = fc.oneof(
  { weight: 2, arbitrary: set('gateway' as const, aGateway) },
  { weight: 4, arbitrary: set('device' as const, aDevice) },
  { weight: 3, arbitrary: set('user' as const, aUser) },
  { weight: 1, arbitrary: set('group' as const, aGroup) },
  { weight: 2, arbitrary: set('rule' as const, aRule) },
  { weight: 5, arbitrary: set('resource' as const, aResource) },
  { weight: 6, arbitrary: set('policy' as const, aPolicy) },
  { weight: 2, arbitrary: set('relay' as const, aRelay) },
  { weight: 3, arbitrary: removal },
  { weight: 1, arbitrary: aSettings.map((value) => ({ kind: 'settings' as const, value })) },
);

/** Changes that make a world in which some access is likely. */
export const population: fc.Arbitrary<WorldChange[]> = fc
  .tuple(
    each(gatewayIds, aGateway, 'gateway' as const),
    each(deviceIds, aDevice, 'device' as const),
    each(userIds, aUser, 'user' as const),
    each(groupIds, aGroup, 'group' as const),
    each(ruleIds.slice(1), aRule, 'rule' as const),
    each(resourceIds, aResource, 'resource' as const),
    each(policyIds, aPolicy, 'policy' as const),
    each(relayIds, aRelay, 'relay' as const),
  )
  .map((parts) => [{ kind: 'rule', id: 'built-in', value: rule('built-in') }, ...parts.flat()]);

function each<K extends string, V extends { id: string }>(ids: readonly string[], value: fc.Arbitrary<V>, kind: K) {
  const object = (id: string) =>
    fc.option(
      value.map((v) => ({
        kind,
        id,
        value: { ...v, id, ...(kind === 'device' ? { addresses: addressesOf(id) } : {}) },
      })),
      { freq: 8 },
    );
  return fc.tuple(...ids.map(object)).map((objects) => objects.filter((o) => o !== null));
}

const target = { destination: fc.constantFrom(...destinations), protocol, port };
/** A random packet of a device. */
export const devicePacket = fc.record({ device: fc.constantFrom(...deviceIds), ...target });
const sitePacket = fc.record({ source: fc.constantFrom(...siteSources), ...target });
/** A random packet of a device or a site. */
export const packet = fc.oneof({ weight: 4, arbitrary: devicePacket }, { weight: 1, arbitrary: sitePacket });
/** A packet that a gateway gets. */
export type Packet = { destination: string; protocol: PortRange['protocol']; port: number } & (
  | { device: string; source?: never }
  | { source: string; device?: never }
);

/** Every destination address worth trying. */
export const allDestinations: readonly string[] = destinations;
/** Every protocol with every port worth trying. */
export const allPorts: readonly { protocol: PortRange['protocol']; port: number }[] = (
  ['tcp', 'udp', 'icmp', 'other'] as const
).flatMap((name) =>
  (name === 'tcp' || name === 'udp' ? [0, 1, 22, 79, 80, 81, 442, 443, 444, 8000, 65535] : [0]).map((p) => ({
    protocol: name,
    port: p,
  })),
);

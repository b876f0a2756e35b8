import type {
  PortRange,
  WorldAddress,
  WorldChange,
  WorldDevice,
  WorldGateway,
  WorldGroup,
  WorldPolicy,
  WorldRelay,
  WorldResource,
  WorldRule,
  WorldSettings,
  WorldUser,
} from '../types.ts';
import { World } from '../world.ts';

/** Builders for tests. Each object is the plainest one, with the fields that a test gives. */

/** Settings with an overlay and UTC. */
export const settings: WorldSettings = {
  overlay: { v4: '100.64.0.0/10', v6: 'fd50:1::/48' },
  mtu: 1280,
  timeZone: 'UTC',
  beacons: [],
};

/** Every port of every protocol. */
export const everyPort: readonly PortRange[] = (['tcp', 'udp', 'icmp', 'other'] as const).map((protocol) => ({
  protocol,
  from: 0,
  to: 65535,
}));

/** Returns a range of TCP ports. */
export const tcp = (from: number, to = from): PortRange => ({ protocol: 'tcp', from, to });

/** Returns an enrolled, active gateway. */
export function gateway(id: string, given: Partial<WorldGateway> = {}): WorldGateway {
  const addresses = ['100.64.0.1/10', 'fd50:1::1/48'];
  return {
    id,
    listenPort: 51820,
    addresses,
    intent: 'ACTIVE',
    masquerade: true,
    mtu: null,
    name: id,
    publicKey: Buffer.from(id.padEnd(32, '-')).toString('base64'),
    endpoints: [`${id}.example.net:51820`],
    relayEnabled: false,
    relayPorts: { from: 51900, to: 51999 },
    drainUntil: null,
    failing: false,
    unreachable: [],
    ...given,
  };
}

/** Returns an active device. */
export function device(id: string, given: Partial<WorldDevice> = {}): WorldDevice {
  const publicKey = Buffer.from(id.padEnd(32, '.')).toString('base64');
  return {
    id,
    active: true,
    user: null,
    name: id,
    hardwareId: `hw-${id}`,
    appVersion: null,
    posture: {},
    sourceIp: null,
    country: null,
    publicKey,
    addresses: ['100.64.0.9', 'fd50:1::9'],
    native: false,
    entryGateway: null,
    endpoint: null,
    ...given,
  };
}

/** Returns an active user without groups. */
export function user(id: string, given: Partial<WorldUser> = {}): WorldUser {
  const email = `${id}@example.com`;
  return { id, active: true, email, department: null, attributes: {}, groups: [], ...given };
}

/** Returns a rule; without source the built-in one. */
export function rule(id: string, source?: string, given: Partial<WorldRule> = {}): WorldRule {
  return { id, unrestricted: source === undefined, source: source ?? '', timeZone: null, ...given };
}

/** Returns an address of a resource. */
export function address(prefix: string, ports: readonly PortRange[] = everyPort, id = prefix): WorldAddress {
  return { id, prefix, ports };
}

/** Returns a private resource on gateway `g1`. Addresses given as text have every port. */
export function resource(
  id: string,
  addresses: readonly (string | WorldAddress)[],
  given: Partial<WorldResource> = {},
): WorldResource {
  const full = addresses.map((a) => (typeof a === 'string' ? address(a, everyPort, `${id}:${a}`) : a));
  return { id, name: id, type: 'PRIVATE', addresses: full, gateways: ['g1'], mode: 'MANUAL', ...given };
}

/** Returns an allow of type PRIVATE without sources or destinations. */
export function policy(id: string, order: number, given: Partial<WorldPolicy> = {}): WorldPolicy {
  return {
    id,
    type: 'PRIVATE',
    order,
    allow: true,
    isDefault: false,
    allUsers: false,
    allGroups: false,
    allDevices: false,
    allResources: false,
    users: [],
    groups: [],
    devices: [],
    resources: [],
    gateways: [],
    rule: 'built-in',
    mode: null,
    sourceIps: [],
    ...given,
  };
}

interface Objects {
  readonly gateways?: readonly WorldGateway[];
  readonly devices?: readonly WorldDevice[];
  readonly users?: readonly WorldUser[];
  readonly groups?: readonly WorldGroup[];
  readonly rules?: readonly WorldRule[];
  readonly resources?: readonly WorldResource[];
  readonly policies?: readonly WorldPolicy[];
  readonly relays?: readonly WorldRelay[];
}

/** Returns changes that set some objects and the built-in rule. */
export function changesOf(objects: Objects): WorldChange[] {
  const { gateways = [], devices = [], users = [], groups = [], resources = [], policies = [], relays = [] } = objects;
  const rules = [rule('built-in'), ...(objects.rules ?? [])];
  return [
    ...rules.map((value) => ({ kind: 'rule' as const, id: value.id, value })),
    ...users.map((value) => ({ kind: 'user' as const, id: value.id, value })),
    ...groups.map((value) => ({ kind: 'group' as const, id: value.id, value })),
    ...gateways.map((value) => ({ kind: 'gateway' as const, id: value.id, value })),
    ...devices.map((value) => ({ kind: 'device' as const, id: value.id, value })),
    ...resources.map((value) => ({ kind: 'resource' as const, id: value.id, value })),
    ...policies.map((value) => ({ kind: 'policy' as const, id: value.id, value })),
    ...relays.map((value) => ({ kind: 'relay' as const, id: value.id, value })),
  ];
}

/** Returns changes that turn an empty world into this one. */
export function changesTo(world: World): WorldChange[] {
  const set = <K extends string, V extends { id: string }>(kind: K, objects: ReadonlyMap<string, V>) =>
    [...objects.values()].map((value) => ({ kind, id: value.id, value }));
  return [
    { kind: 'settings', value: world.settings },
    ...set('gateway' as const, world.gateways),
    ...set('device' as const, world.devices),
    ...set('user' as const, world.users),
    ...set('group' as const, world.groups),
    ...set('rule' as const, world.rules),
    ...set('resource' as const, world.resources),
    ...set('policy' as const, world.policies),
    ...set('relay' as const, world.relays),
  ];
}

/** Returns a world with gateway `g1`, device `d1` and the owners of devices, unless the test gives its own. */
export function worldOf(objects: Objects): World {
  const devices = objects.devices ?? [device('d1')];
  const owners = new Set(devices.flatMap((d) => d.user ?? []));
  const users = objects.users ?? [...owners].map((id) => user(id));
  return World.empty(settings).with(changesOf({ gateways: [gateway('g1')], ...objects, devices, users }));
}

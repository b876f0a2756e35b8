import type {
  PortRange,
  WorldAddress,
  WorldChange,
  WorldDevice,
  WorldGateway,
  WorldPolicy,
  WorldResource,
  WorldSettings,
} from '../types.ts';
import { World } from '../world.ts';

/** Builders for tests: each object is the plainest one, but for what a test says of it. */

export const settings: WorldSettings = { overlay: { v4: '100.64.0.0/10', v6: 'fd50:1::/48' }, mtu: 1280 };

export const everyPort: readonly PortRange[] = (['tcp', 'udp', 'icmp', 'other'] as const).map((protocol) => ({
  protocol,
  from: 0,
  to: 65535,
}));

export const tcp = (from: number, to = from): PortRange => ({ protocol: 'tcp', from, to });

export function gateway(id: string, given: Partial<WorldGateway> = {}): WorldGateway {
  const addresses = ['100.64.0.1/10', 'fd50:1::1/48'];
  return { id, listenPort: 51820, addresses, intent: 'ACTIVE', masquerade: true, ...given };
}

export function device(id: string, given: Partial<WorldDevice> = {}): WorldDevice {
  const publicKey = Buffer.from(id.padEnd(32, '.')).toString('base64');
  return { id, active: true, user: null, publicKey, addresses: ['100.64.0.9', 'fd50:1::9'], ...given };
}

export function address(prefix: string, ports: readonly PortRange[] = everyPort, id = prefix): WorldAddress {
  return { id, prefix, ports };
}

/** A private resource on gateway `g1`; addresses given as text have every port. */
export function resource(
  id: string,
  addresses: readonly (string | WorldAddress)[],
  given: Partial<WorldResource> = {},
): WorldResource {
  const full = addresses.map((a) => (typeof a === 'string' ? address(a, everyPort, `${id}:${a}`) : a));
  return { id, type: 'PRIVATE', addresses: full, gateways: ['g1'], mode: 'MANUAL', ...given };
}

/** An allow of type PRIVATE without sources or destinations. */
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
    rule: { id: 'built-in', unrestricted: true },
    ...given,
  };
}

interface Objects {
  readonly gateways?: readonly WorldGateway[];
  readonly devices?: readonly WorldDevice[];
  readonly resources?: readonly WorldResource[];
  readonly policies?: readonly WorldPolicy[];
}

export function changesOf({ gateways = [], devices = [], resources = [], policies = [] }: Objects): WorldChange[] {
  return [
    ...gateways.map((value) => ({ kind: 'gateway' as const, id: value.id, value })),
    ...devices.map((value) => ({ kind: 'device' as const, id: value.id, value })),
    ...resources.map((value) => ({ kind: 'resource' as const, id: value.id, value })),
    ...policies.map((value) => ({ kind: 'policy' as const, id: value.id, value })),
  ];
}

/** Changes that make an empty world into this one. */
export function changesTo(world: World): WorldChange[] {
  return [
    { kind: 'settings', value: world.settings },
    ...changesOf({
      gateways: [...world.gateways.values()],
      devices: [...world.devices.values()],
      resources: [...world.resources.values()],
      policies: [...world.policies.values()],
    }),
  ];
}

/** A world with gateway `g1` and device `d1`, unless the test gives its own. */
export function worldOf(objects: Objects): World {
  return World.empty(settings).with(changesOf({ gateways: [gateway('g1')], devices: [device('d1')], ...objects }));
}

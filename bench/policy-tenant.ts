import type { PortRange, WorldChange, WorldPolicy } from '@sallyport/policy';

/**
 * A synthetic organisation with two gateways per site. Each resource and each group belongs to one site. Most policies
 * let groups of a site reach its resources, so the resources of one user do not grow with the organisation.
 */
export interface TenantSize {
  readonly devices: number;
  readonly groups: number;
  readonly resources: number;
  readonly policies: number;
  readonly gateways: number;
}

/** The full-size tenant. */
export const wholeTenant: TenantSize = { devices: 10_000, groups: 1000, resources: 1000, policies: 500, gateways: 20 };
/** A tenant of half the size. */
export const halfTenant: TenantSize = { devices: 5000, groups: 500, resources: 500, policies: 250, gateways: 20 };
/** A tenant of a tenth of the size. */
export const tenthTenant: TenantSize = { devices: 1000, groups: 100, resources: 100, policies: 50, gateways: 20 };

/** Settings of the synthetic tenant. */
export const benchSettings = {
  overlay: { v4: '100.64.0.0/10', v6: 'fd50:1::/48' },
  mtu: 1280,
  timeZone: 'Europe/Zurich',
  beacons: [],
} as const;

/**
 * Builds the tenant: two devices per user, and three groups per user, two of them of the user's site. The same size
 * gives the same tenant.
 */
export function tenantChanges(size: TenantSize): WorldChange[] {
  const random = randomNumbers(1);
  const pick = (count: number) => Math.floor(random() * count);
  return [
    ...times(size.gateways, (i) => gatewayChange(i)),
    ...rules.map((source, i): WorldChange => {
      const value = { id: `rule${i}`, unrestricted: source === '', source, timeZone: null };
      return { kind: 'rule', id: value.id, value };
    }),
    ...times(size.groups, (i): WorldChange => {
      return { kind: 'group', id: `group${i}`, value: { id: `group${i}`, name: `Group ${i}` } };
    }),
    ...times(size.devices / 2, (i) =>
      userChange(
        i,
        distinct(3, () => `group${pick(size.groups)}`),
      ),
    ),
    ...times(size.devices, (i) => deviceChange(i)),
    ...times(size.resources, (i) => resourceChange(i, size)),
    ...times(size.policies, (i) => policyChange(i, size, pick)),
  ];
}

/** Returns a change of a user's groups. */
export function userChange(i: number, groups: readonly string[]): WorldChange & { kind: 'user' } {
  const id = `user${i}`;
  const department = i % 3 === 0 ? 'Engineering' : 'Sales';
  return {
    kind: 'user',
    id,
    value: { id, active: true, email: `${id}@example.com`, department, attributes: { level: i % 5 }, groups },
  };
}

/** Returns the groups of a user. */
export function groupsOfUser(user: number, size: TenantSize, pick: Pick): string[] {
  const atHome = atSite('group', user % sitesOf(size), size.groups, size, pick);
  return [...distinct(2, atHome), `group${pick(size.groups)}`];
}

/** Returns an address that a resource covers. */
export function addressOf(resource: number): string {
  return `10.${resource >> 8}.${resource & 255}.1`;
}

/** Returns numbers from 0 to 1 from a fixed seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Picks a random number below a count. */
export type Pick = (count: number) => number;

/** Picks an object of a site: site s has the numbers s, s + sites, s + 2 sites and so on. */
function atSite(kind: string, site: number, count: number, size: TenantSize, pick: Pick): () => string {
  const sites = sitesOf(size);
  return () => `${kind}${site + sites * pick(Math.floor(count / sites))}`;
}

function sitesOf(size: TenantSize): number {
  return size.gateways / 2;
}

const rules = [
  '',
  "time.between('08:00', '18:00') && time.weekday in ['MO', 'TU', 'WE', 'TH', 'FR']",
  "user.department == 'Engineering'",
  "posture.compliant == true && source.inCountry('CH', 'DE', 'AT')",
  "'Group 1' in groups || user.attributes.level >= 3",
];

function gatewayChange(i: number): WorldChange {
  const id = `gateway${i}`;
  const addresses = ['100.64.0.1/10', 'fd50:1::1/48'];
  return {
    kind: 'gateway',
    id,
    value: {
      id,
      name: id,
      listenPort: 51820,
      addresses,
      intent: 'ACTIVE',
      masquerade: true,
      mtu: null,
      publicKey: `${String(i).padStart(43, 'G')}=`,
      endpoints: [`203.0.113.${i % 250}:51820`],
      relayEnabled: false,
      relayPorts: { from: 52000, to: 52999 },
      drainUntil: null,
      failing: false,
      unreachable: [],
    },
  };
}

function deviceChange(i: number): WorldChange {
  const id = `device${i}`;
  return {
    kind: 'device',
    id,
    value: {
      id,
      active: true,
      user: `user${i >> 1}`,
      name: id,
      hardwareId: id,
      appVersion: null,
      posture: { compliant: i % 4 !== 0 },
      sourceIp: '203.0.113.7',
      country: i % 2 === 0 ? 'CH' : 'US',
      publicKey: `${String(i).padStart(43, 'A')}=`,
      native: true,
      entryGateway: null,
      endpoint: null,
      addresses: [`100.${64 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`, `fd50:1::${(i + 16).toString(16)}`],
    },
  };
}

function resourceChange(i: number, size: TenantSize): WorldChange {
  const id = `resource${i}`;
  const web: PortRange[] = [443, 80].map((port) => ({ protocol: 'tcp', from: port, to: port }));
  const ports: PortRange[] = i % 2 === 0 ? web : [{ protocol: 'tcp', from: 22, to: 22 }];
  const addresses = [addressOf(i), `fd00::${i.toString(16)}:1`].map((prefix) => ({
    id: `${id} ${prefix}`,
    prefix,
    ports,
  }));
  const site = i % sitesOf(size);
  const gateways = [`gateway${2 * site}`, `gateway${2 * site + 1}`];
  return { kind: 'resource', id, value: { id, name: id, type: 'PRIVATE', addresses, gateways, mode: 'MANUAL' } };
}

/** Returns a policy. Most policies let a few groups reach a few resources; the first is for all users, some deny. */
function policyChange(i: number, size: TenantSize, pick: Pick): WorldChange {
  const id = `policy${i}`;
  const internet = i === 1;
  const site = i % sitesOf(size);
  const allow = internet || i % 10 !== 9;
  const value: WorldPolicy = {
    id,
    type: internet ? 'INTERNET' : 'PRIVATE',
    order: i,
    allow,
    isDefault: false,
    allUsers: i === 0,
    allGroups: false,
    allDevices: false,
    allResources: internet,
    users: [],
    groups:
      i === 0 ? [] : [...distinct(3, atSite('group', site, size.groups, size, pick)), `group${pick(size.groups)}`],
    devices: [],
    resources: internet ? [] : distinct(4, atSite('resource', site, size.resources, size, pick)),
    gateways: internet ? ['gateway0'] : [],
    rule: `rule${allow && i % 3 === 0 ? i % rules.length : 0}`,
    mode: internet ? 'INTERNET_ACCESS_POINT' : null,
    sourceIps: [],
  };
  return { kind: 'policy', id, value };
}

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}

function distinct(count: number, make: () => string): string[] {
  const found = new Set<string>();
  for (let tries = 0; found.size < count && tries < 10 * count; tries++) found.add(make());
  return [...found];
}

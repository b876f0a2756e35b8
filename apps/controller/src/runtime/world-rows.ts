import { type DnsServer, isIpText, type NetworkProtocol } from '@sallyport/contract';
import type {
  Attribute,
  PortRange,
  WorldAddress,
  WorldDevice,
  WorldGateway,
  WorldGroup,
  WorldPolicy,
  WorldRelay,
  WorldResource,
  WorldRule,
  WorldSettings,
  WorldUser,
} from '@sallyport/policy';
import { decodeJson } from '../db/json.ts';
import type { Row } from '../db/schema.ts';
import type { Scoped } from '../db/scoped.ts';
import { gatewayEndpoints } from '../endpoints.ts';
import { overlayColumn } from '../overlay/range.ts';
import { namesColumn, overlayOf } from '../overlay/range-of-names.ts';
import { type NamedAddress, namedAddresses } from './world-names.ts';

/** Ids to read. Left out: all of the tenant. */
type Ids = readonly string[] | undefined;

/**
 * Returns the settings of the tenant's world from its row, without beacons, and the other columns that the runtime
 * needs.
 */
export async function readTenant(db: Scoped) {
  const row = await db.selectTenant().selectAll().select([overlayColumn, namesColumn]).executeTakeFirst();
  if (row === undefined) return null;
  const settings: WorldSettings = {
    overlay: overlayOf(row),
    mtu: row.mtu,
    localNetwork: row.local_network,
    otherNames: row.other_names,
    timeZone: row.time_zone,
    beacons: [],
  };
  return { settings, revision: row.revision, leaseMs: row.lease_ms };
}

/** Returns gateways from their rows. Resources that they cannot reach are in no row. */
export async function readGateways(db: Scoped, ids?: Ids): Promise<WorldGateway[]> {
  const all = db
    .selectFrom('gateways')
    .select(['id', 'name', 'wireguard_port', 'overlay_v4', 'overlay_v6', 'intent', 'masquerade', 'mtu', 'error'])
    .select([
      'wireguard_key',
      'endpoint',
      'discovered_endpoint',
      'relay_enabled',
      'relay_from',
      'relay_to',
      'drain_since',
      'dns_servers',
    ]);
  const rows = await (ids === undefined ? all : all.where('id', 'in', ids)).execute();
  const { drain_ms } = await db.selectTenant().select('drain_ms').executeTakeFirstOrThrow();
  return rows.map((row) => ({
    id: row.id,
    listenPort: row.wireguard_port,
    addresses: [`${row.overlay_v4}/32`, `${row.overlay_v6}/128`],
    intent: row.intent,
    masquerade: row.masquerade === 1,
    mtu: row.mtu,
    name: row.name,
    publicKey: row.wireguard_key,
    endpoints: gatewayEndpoints(row),
    relayEnabled: row.relay_enabled === 1,
    relayPorts: { from: row.relay_from, to: row.relay_to },
    drainUntil: row.drain_since === null ? null : row.drain_since + drain_ms,
    failing: row.error !== null,
    unreachable: [],
    ...worldDnsServers(row.dns_servers),
  }));
}

function worldDnsServers(column: string): Pick<WorldGateway, 'dnsServers'> {
  const servers = decodeJson<DnsServer[]>(column);
  if (servers.length === 0) return {};
  return {
    dnsServers: servers.map(({ address, port = 53, domains = [] }) => ({ address, port, domains: [...domains] })),
  };
}

/** Returns devices from their rows. The country is in no row, and the source address may be old. */
export async function readDevices(db: Scoped, ids?: Ids): Promise<WorldDevice[]> {
  const all = db
    .selectFrom('devices')
    .select(['id', 'name', 'active', 'user_id', 'hardware_id', 'app_version', 'posture', 'source_ip'])
    .select(['public_key', 'overlay_v4', 'overlay_v6', 'identity_key', 'reported_posture'])
    .select(['entry_gateway_id', 'mapped_endpoint']);
  const rows = await (ids === undefined ? all : all.where('id', 'in', ids)).execute();
  return rows.map((row) => ({
    id: row.id,
    active: row.active === 1,
    user: row.user_id,
    name: row.name,
    hardwareId: row.hardware_id,
    appVersion: row.app_version,
    posture: postureOf(row),
    sourceIp: row.source_ip,
    country: null,
    publicKey: row.public_key,
    addresses: [row.overlay_v4, row.overlay_v6],
    native: row.identity_key !== null,
    entryGateway: row.entry_gateway_id,
    endpoint: row.mapped_endpoint,
  }));
}

/** Returns the posture of a device: facts that its client reports, overridden by facts that administrators set. */
export function postureOf(row: Pick<Row<'devices'>, 'posture' | 'reported_posture'>): Record<string, Attribute> {
  const facts = (text: string | null) => (text === null ? {} : decodeJson<Record<string, Attribute>>(text));
  return { ...facts(row.reported_posture), ...facts(row.posture) };
}

/** Returns the ids of draining gateways. The end of their drain time is a setting of the tenant. */
export async function drainingGateways(db: Scoped): Promise<string[]> {
  const rows = await db.selectFrom('gateways').select('id').where('drain_since', 'is not', null).execute();
  return rows.map(({ id }) => id);
}

/** Returns relayed pairs from their rows. */
export async function readRelays(db: Scoped, ids?: Ids): Promise<WorldRelay[]> {
  const all = db.selectFrom('relay_pairs').select(['id', 'a', 'b', 'relay_id', 'port']);
  const rows = await (ids === undefined ? all : all.where('id', 'in', ids)).execute();
  return rows.map(({ relay_id, ...pair }) => ({ ...pair, relay: relay_id }));
}

/** Returns users with their groups from their rows. */
export async function readUsers(db: Scoped, ids?: Ids): Promise<WorldUser[]> {
  const all = db.selectFrom('users').select(['id', 'status', 'email', 'department', 'attributes']);
  const rows = await (ids === undefined ? all : all.where('id', 'in', ids)).execute();
  const groups = await readMemberships(db, ids);
  return rows.map((row) => ({
    id: row.id,
    active: row.status === 'ACTIVE',
    email: row.email,
    department: row.department,
    attributes: decodeJson<Record<string, Attribute>>(row.attributes),
    groups: groups.get(row.id) ?? [],
  }));
}

/** Returns groups from their rows. */
export async function readGroups(db: Scoped, ids?: Ids): Promise<WorldGroup[]> {
  const all = db.selectFrom('groups').select(['id', 'name']);
  return (ids === undefined ? all : all.where('id', 'in', ids)).execute();
}

/** Returns admission rules from their rows. */
export async function readRules(db: Scoped, ids?: Ids): Promise<WorldRule[]> {
  const all = db.selectFrom('admission_rules').select(['id', 'built_in', 'rule', 'time_zone']);
  const rows = await (ids === undefined ? all : all.where('id', 'in', ids)).execute();
  return rows.map((row) => ({
    id: row.id,
    unrestricted: row.built_in === 1,
    source: row.rule ?? '',
    timeZone: row.time_zone,
  }));
}

/** Returns resources with their addresses and gateways from their rows. */
export async function readResources(db: Scoped, ids?: Ids): Promise<WorldResource[]> {
  const all = db.selectFrom('resources').select(['id', 'name', 'type', 'load_balancing_mode']);
  const rows = await (ids === undefined ? all : all.where('id', 'in', ids)).execute();
  const addresses = await readAddresses(db, ids);
  const gateways = await readAttached(db, ids);
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    type: row.type,
    mode: row.load_balancing_mode,
    addresses: addresses.get(row.id) ?? [],
    gateways: gateways.get(row.id) ?? [],
  }));
}

/** Returns policies with their members from their rows. */
export async function readPolicies(db: Scoped, ids?: Ids): Promise<WorldPolicy[]> {
  const all = db.selectFrom('policies').selectAll();
  const rows = await (ids === undefined ? all : all.where('id', 'in', ids)).execute();
  const members = await readMembers(db, ids);
  return rows.map((row) => ({
    id: row.id,
    type: row.type,
    order: row.position,
    allow: row.action === 1,
    isDefault: row.is_default === 1,
    allUsers: row.all_users === 1,
    allGroups: row.all_groups === 1,
    allDevices: row.all_devices === 1,
    allResources: row.all_resources === 1,
    ...(members.get(row.id) ?? noMembers()),
    rule: row.rule_id,
    mode: row.mode,
    sourceIps: decodeJson<string[]>(row.source_ips),
  }));
}

/** Returns the groups of users, ascending, so that equal memberships make equal worlds. */
async function readMemberships(db: Scoped, users: Ids): Promise<Map<string, string[]>> {
  const all = db.selectFrom('group_members').select(['user_id', 'group_id']).orderBy('group_id');
  const rows = await (users === undefined ? all : all.where('user_id', 'in', users)).execute();
  const byUser = new Map<string, string[]>();
  for (const { user_id, group_id } of rows) push(byUser, user_id, group_id);
  return byUser;
}

/** A name becomes its virtual addresses. A name without any is left out. */
async function readAddresses(db: Scoped, resources: Ids): Promise<Map<string, WorldAddress[]>> {
  const all = db
    .selectFrom('addresses')
    .innerJoin('address_protocols', 'address_protocols.address_id', 'addresses.id')
    .innerJoin('protocols', 'protocols.id', 'address_protocols.protocol_id')
    .select([
      'addresses.id',
      'addresses.resource_id',
      'addresses.address',
      'protocols.type',
      'protocols.network_protocols',
    ])
    .orderBy('addresses.resource_id')
    .orderBy('addresses.position')
    .orderBy('addresses.id')
    .orderBy('address_protocols.position');
  const rows = await (resources === undefined ? all : all.where('addresses.resource_id', 'in', resources)).execute();
  const byResource = new Map<string, WorldAddress[]>();
  const named: NamedAddress[] = [];
  for (const [id, protocols] of Map.groupBy(rows, (row) => row.id)) {
    const { resource_id, address } = protocols[0] ?? { resource_id: '', address: '' };
    const ports = protocols.flatMap(portsOf);
    if (isIpText(address)) push(byResource, resource_id, { id, prefix: address, ports });
    else named.push({ id, resource: resource_id, name: address, ports });
  }
  for (const { resource, ...address } of await namedAddresses(db, named)) push(byResource, resource, address);
  return byResource;
}

const wholeRange = { from: 0, to: 65535 };
const everything: readonly PortRange[] = (['tcp', 'udp', 'icmp', 'other'] as const).map((protocol) => ({
  protocol,
  ...wholeRange,
}));

function portsOf({
  type,
  network_protocols,
}: Pick<Row<'protocols'>, 'type' | 'network_protocols'>): readonly PortRange[] {
  if (type === 'ALL') return everything;
  return decodeJson<NetworkProtocol[]>(network_protocols).map(({ protocol, port }) => {
    if (protocol === 'ICMP' || port === undefined) return { protocol: 'icmp', ...wholeRange };
    const [from = 0, to = from] = port.split('-').map(Number);
    return { protocol: protocol === 'TCP' ? 'tcp' : 'udp', from, to };
  });
}

async function readAttached(db: Scoped, resources: Ids): Promise<Map<string, string[]>> {
  const all = db
    .selectFrom('resource_gateways')
    .select(['resource_id', 'gateway_id'])
    .orderBy('position')
    .orderBy('gateway_id');
  const rows = await (resources === undefined ? all : all.where('resource_id', 'in', resources)).execute();
  const byResource = new Map<string, string[]>();
  for (const { resource_id, gateway_id } of rows) push(byResource, resource_id, gateway_id);
  return byResource;
}

type Members = Record<'users' | 'groups' | 'devices' | 'resources' | 'gateways', string[]>;
const noMembers = (): Members => ({ users: [], groups: [], devices: [], resources: [], gateways: [] });

async function readMembers(db: Scoped, policies: Ids): Promise<Map<string, Members>> {
  const all = db
    .selectFrom('policy_members')
    .select(['policy_id', 'kind', 'member_id'])
    .orderBy('position')
    .orderBy('member_id');
  const rows = await (policies === undefined ? all : all.where('policy_id', 'in', policies)).execute();
  const byPolicy = new Map<string, Members>();
  for (const { policy_id, kind, member_id } of rows) {
    const members = byPolicy.get(policy_id) ?? noMembers();
    byPolicy.set(policy_id, members);
    members[`${kind}s`].push(member_id);
  }
  return byPolicy;
}

function push<V>(map: Map<string, V[]>, key: string, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

/** Returns everything of a tenant that affects access. */
export async function readWorld(db: Scoped) {
  const tenant = await readTenant(db);
  if (tenant === null) return null;
  const gateways = await readGateways(db);
  const devices = await readDevices(db);
  const users = await readUsers(db);
  const groups = await readGroups(db);
  const rules = await readRules(db);
  const resources = await readResources(db);
  const policies = await readPolicies(db);
  const relays = await readRelays(db);
  return { ...tenant, gateways, devices, users, groups, rules, resources, policies, relays };
}

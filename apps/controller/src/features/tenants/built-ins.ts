import { randomUUIDv7 } from 'node:crypto';
import type { NetworkProtocol, RoleType } from '@sallyport/contract';
import { encodeJson } from '../../db/json.ts';
import type { ObjectKind, Tx } from '../../db/store.ts';
import { defaultMaxDevices } from '../../objects/groups/queries.ts';

/**
 * Inserts the objects that every tenant starts with: roles, the default group, protocols, the built-in admission rule and
 * the default internet policy.
 */
export async function insertBuiltIns(tx: Tx): Promise<void> {
  await insertDefaultGroup(tx, await insertRoles(tx));
  await insertProtocols(tx);
  const rule = await insertRule(tx);
  await insertInternetPolicy(tx, rule);
}

const roles: readonly { type: RoleType; name: string; description: string }[] = [
  { type: 'OWNER', name: 'Owner', description: 'May do everything' },
  { type: 'ADMIN', name: 'Admin', description: 'Manages the tenant' },
  { type: 'AUDITOR', name: 'Auditor', description: 'Sees everything, changes nothing' },
  { type: 'SUPPORT', name: 'Support', description: 'Sees objects and explains access' },
  { type: 'BILLING', name: 'Billing', description: 'Sees no objects' },
  { type: 'BASIC', name: 'User', description: 'Connects devices' },
];

/** Returns the id of the role of plain users. */
async function insertRoles(tx: Tx): Promise<string> {
  const rows = roles.map((role) => ({ id: randomUUIDv7(), created_at: tx.now, updated_at: tx.now, ...role }));
  await tx.scoped.insertInto('roles', rows).execute();
  for (const row of rows) created(tx, 'role', row);
  const basic = rows.find(({ type }) => type === 'BASIC');
  if (basic === undefined) throw new Error('there is no role for plain users');
  return basic.id;
}

async function insertDefaultGroup(tx: Tx, role: string): Promise<void> {
  const id = randomUUIDv7();
  const name = 'Default Group';
  const row = {
    id,
    created_at: tx.now,
    updated_at: tx.now,
    version: 1,
    name,
    description: 'Everybody who is in no other group',
    max_devices: defaultMaxDevices,
    is_default: 1,
    is_saml_default: 1,
    idp_mapping: encodeJson([]),
  };
  await tx.scoped.insertInto('groups', row).execute();
  await tx.scoped.insertInto('group_roles', { group_id: id, role_id: role }).execute();
  created(tx, 'group', row);
}

const tcp = (...ports: string[]): NetworkProtocol[] => ports.map((port) => ({ protocol: 'TCP', port }));
const predefined: readonly { name: string; networkProtocols: NetworkProtocol[] }[] = [
  { name: 'HTTP/HTTPS', networkProtocols: tcp('80', '443') },
  { name: 'HTTP', networkProtocols: tcp('80') },
  { name: 'HTTPS', networkProtocols: tcp('443') },
  { name: 'SSH', networkProtocols: tcp('22') },
  { name: 'RDP', networkProtocols: [...tcp('3389'), { protocol: 'UDP', port: '3389' }] },
  { name: 'DNS', networkProtocols: [...tcp('53'), { protocol: 'UDP', port: '53' }] },
  { name: 'ICMP', networkProtocols: [{ protocol: 'ICMP' }] },
];

async function insertProtocols(tx: Tx): Promise<void> {
  const all = { name: 'All', type: 'ALL' as const, networkProtocols: [] };
  const protocols = [all, ...predefined.map((protocol) => ({ ...protocol, type: 'PREDEFINED' as const }))];
  const rows = protocols.map(({ name, type, networkProtocols }, place) => ({
    id: randomUUIDv7(),
    // Lists are in order of creation: "All" first.
    created_at: tx.now + place,
    name,
    type,
    network_protocols: encodeJson(networkProtocols),
  }));
  await tx.scoped.insertInto('protocols', rows).execute();
  for (const row of rows) created(tx, 'protocol', row);
}

async function insertRule(tx: Tx): Promise<string> {
  const id = randomUUIDv7();
  const name = 'Admission without Restrictions';
  const row = {
    id,
    created_at: tx.now,
    updated_at: tx.now,
    name,
    type: 'ALLOW' as const,
    has_time_constraint: 0,
    rule: null,
    built_in: 1,
  };
  await tx.scoped.insertInto('admission_rules', row).execute();
  created(tx, 'admission-rule', row);
  return id;
}

/** Stored position of default policies, after every other policy of their type. */
const defaultPolicyPosition = 1_000_000;

async function insertInternetPolicy(tx: Tx, rule: string): Promise<void> {
  const id = randomUUIDv7();
  const name = 'Default internet policy';
  const row = {
    id,
    created_at: tx.now,
    updated_at: tx.now,
    version: 1,
    name,
    description: 'Internet traffic leaves from the device itself',
    action: 1,
    position: defaultPolicyPosition,
    is_default: 1,
    type: 'INTERNET' as const,
    mode: 'LOCAL' as const,
    all_groups: 0,
    all_users: 1,
    all_devices: 1,
    all_resources: 0,
    source_ips: encodeJson([]),
    rule_id: rule,
  };
  await tx.scoped.insertInto('policies', row).execute();
  created(tx, 'policy', row);
}

function created(tx: Tx, kind: ObjectKind, row: { readonly id: string; readonly name: string }): void {
  tx.changed({ kind, id: row.id, op: 'create', name: row.name, before: null, after: row });
}

import { randomUUIDv7 } from 'node:crypto';
import type { Input, PolicyType } from '@sallyport/contract';
import { canonicalPrefix, formatPrefix, parsePrefix, unmapPrefix } from '@sallyport/ip';
import { bit, decodeJson, encodeJson } from '../../db/json.ts';
import type { Tx } from '../../db/store.ts';
import { ApiError, notFound } from '../../errors.ts';
import { FieldErrors } from '../../field-errors.ts';
import { type RequestContext, requireVersion } from '../../http/handlers.ts';
import { builtInRule } from '../../objects/admission-rules/queries.ts';
import {
  deletePolicy,
  findPolicy,
  insertPolicy,
  type MemberKind,
  type Members,
  nextPosition,
  type PolicyParts,
  type PolicyRow,
  replaceMembers,
  updatePolicy,
  withMembers,
} from '../../objects/policies/store.ts';
import { auditedPolicies, trackPolicies } from '../../objects/policies/tracking.ts';
import { checkMeaning, type Shape } from './meaning.ts';
import type { PolicyQueryDeps } from './queries.ts';
import { checkMembers, checkRule, type GivenMembers } from './references.ts';

/** Creates a policy after all others of its type, before the default one, and returns its id. */
export async function createPolicy(
  tx: Tx,
  deps: PolicyQueryDeps,
  body: Input<'createPolicy'>['body'],
): Promise<string> {
  const builtIn = await builtInRule(tx.scoped);
  const rule = body.rule?.toLowerCase() ?? builtIn;
  const given = membersOf(body);
  const columns = columnsOf(body.type, body, null);
  const errors = new FieldErrors();
  await checkMembers(tx, deps, body.type, given, errors);
  await checkRule(tx, rule, { action: body.action, builtIn }, errors);
  checkMeaning(shapeOf(body.type, columns, given, noMembers), errors);
  errors.check();
  const id = randomUUIDv7();
  await insertPolicy(tx, {
    id,
    created_at: tx.now,
    updated_at: tx.now,
    version: 1,
    position: await nextPosition(tx.scoped, body.type),
    is_default: 0,
    type: body.type,
    rule_id: rule,
    ...columns,
  });
  await writeMembers(tx, id, given);
  const after = (await auditedPolicies(tx, [id])).get(id) ?? null;
  tx.changed({ kind: 'policy', id, op: 'create', name: body.name, before: null, after });
  return id;
}

/** An absent optional field keeps its value; null or an empty list clears it. */
export async function changePolicy(
  tx: Tx,
  context: RequestContext,
  deps: PolicyQueryDeps,
  id: string,
  body: Input<'updatePolicy'>['body'],
): Promise<void> {
  const { row, members } = await existing(tx, context, id);
  const rule = body.rule.toLowerCase();
  const given = membersOf(body);
  const columns = columnsOf(row.type, body, row);
  const errors = new FieldErrors();
  await checkMembers(tx, deps, row.type, given, errors);
  await checkRule(tx, rule, { action: body.action, builtIn: await builtInRule(tx.scoped) }, errors);
  checkMeaning(shapeOf(row.type, columns, given, members), errors);
  errors.check();
  const before = await auditedPolicies(tx, [id]);
  await trackPolicies(tx, [id], async () => {
    await updatePolicy(tx, id, { ...columns, rule_id: rule });
    await writeMembers(tx, id, given);
  });
  if (row.is_default === 1) checkDefault(before.get(id), (await auditedPolicies(tx, [id])).get(id));
}

/** Deletes a policy. Throws `built_in` for a default policy. */
export async function removePolicy(tx: Tx, context: RequestContext, id: string): Promise<void> {
  const { row } = await existing(tx, context, id);
  if (row.is_default === 1) throw new ApiError('built_in');
  const before = (await auditedPolicies(tx, [id])).get(id) ?? null;
  tx.changed({ kind: 'policy', id, op: 'delete', name: row.name, before, after: null });
  await deletePolicy(tx, id);
}

async function existing(tx: Tx, context: RequestContext, id: string): Promise<PolicyParts> {
  const row = await findPolicy(tx.scoped, id);
  const [policy] = row === undefined ? [] : await withMembers(tx.scoped, [row]);
  if (policy === undefined) throw notFound();
  requireVersion(context, policy.row.version);
  return policy;
}

/** Refuses changes of the default policy other than mode and gateways. */
function checkDefault(before: object | undefined, after: object | undefined): void {
  const rest = (policy: object | undefined) => encodeJson({ ...policy, mode: null, gateways: null });
  if (rest(before) !== rest(after))
    throw new ApiError('built_in', 'Only mode and gateways of the default policy can be changed');
}

type Body = Input<'createPolicy'>['body'] | Input<'updatePolicy'>['body'];
type Columns = ReturnType<typeof columnsOf>;

/** Returns the columns of a request. Absent fields are taken from `row`, or are empty. */
function columnsOf(type: PolicyType, body: Body, row: PolicyRow | null) {
  const mode = body.mode === undefined ? (row?.mode ?? null) : body.mode;
  return {
    name: body.name,
    action: bit(body.action),
    all_groups: bit(body.allGroups),
    all_users: bit(body.allUsers),
    all_devices: bit(body.allDevices),
    all_resources: bit(body.allResources),
    description: body.description === undefined ? (row?.description ?? null) : body.description || null,
    // An internet policy always has a mode. LOCAL changes nothing for the devices that it matches.
    mode: mode ?? (type === 'INTERNET' ? ('LOCAL' as const) : null),
    source_ips: body.sourceIps === undefined && row !== null ? row.source_ips : sourceIps(body.sourceIps),
  };
}

const noMembers: Members = { group: [], user: [], device: [], resource: [], gateway: [] };

function shapeOf(type: PolicyType, columns: Columns, given: GivenMembers, present: Members): Shape {
  return {
    type,
    action: columns.action === 1,
    mode: columns.mode,
    allUsers: columns.all_users === 1,
    allGroups: columns.all_groups === 1,
    allDevices: columns.all_devices === 1,
    users: given.users ?? present.user,
    groups: given.groups ?? present.group,
    devices: given.devices ?? present.device,
    gateways: given.gateways ?? present.gateway,
    sourceIps: decodeJson<string[]>(columns.source_ips),
  };
}

/** UUIDs are equal whatever their letter case; null clears like an empty list. */
function membersOf({ users, groups, devices, resources, gateways }: Body): GivenMembers {
  const ids = (list: readonly string[] | null | undefined) =>
    list === undefined ? undefined : (list ?? []).map((id) => id.toLowerCase());
  return {
    users: ids(users),
    groups: ids(groups),
    devices: ids(devices),
    resources: ids(resources),
    gateways: ids(gateways),
  };
}

async function writeMembers(tx: Tx, id: string, given: GivenMembers): Promise<void> {
  const { groups, users, devices, resources, gateways } = given;
  const lists = { group: groups, user: users, device: devices, resource: resources, gateway: gateways } as const;
  for (const [kind, ids] of Object.entries(lists))
    if (ids !== undefined) await replaceMembers(tx, id, kind as MemberKind, ids);
}

/** Canonical, and each once. */
const sourceIps = (given: readonly string[] | null | undefined): string =>
  encodeJson([...new Set((given ?? []).map((prefix) => canonicalSource(prefix)))]);

/** Canonical text of a source; IPv4-mapped addresses are written, and meant, as IPv4. */
function canonicalSource(text: string): string {
  const prefix = parsePrefix(text);
  return prefix === null ? text : (canonicalPrefix(formatPrefix(unmapPrefix(prefix))) ?? text);
}

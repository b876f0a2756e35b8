import { randomUUIDv7 } from 'node:crypto';
import { canonicalPrefix, type Input, type PolicyType } from '@sallyport/contract';
import { bit, encodeJson } from '../../db/json.ts';
import type { Tx } from '../../db/store.ts';
import { ApiError, notFound } from '../../errors.ts';
import { FieldErrors } from '../../field-errors.ts';
import { type RequestContext, requireVersion } from '../../http/handlers.ts';
import { builtInRule } from '../admission-rules/queries.ts';
import type { PolicyQueryDeps } from './queries.ts';
import { checkMembers, checkRule, type GivenMembers } from './references.ts';
import {
  deletePolicy,
  findPolicy,
  insertPolicy,
  nextPosition,
  type PolicyRow,
  replaceMembers,
  updatePolicy,
} from './store.ts';
import { auditedPolicies, trackPolicies } from './tracking.ts';

/** Puts the policy behind all others of its type but the default one. */
export async function createPolicy(
  tx: Tx,
  deps: PolicyQueryDeps,
  body: Input<'createPolicy'>['body'],
): Promise<string> {
  const builtIn = await builtInRule(tx.scoped);
  const rule = body.rule?.toLowerCase() ?? builtIn;
  const members = membersOf(body);
  const errors = new FieldErrors();
  if (body.type === 'INTERNET' || body.type === 'SITETOSITE')
    errors.add('/type', `policies of type ${body.type} come with a later version`, 'not_supported_yet');
  await checkMembers(tx, deps, body.type, members, errors);
  await checkRule(tx, rule, { action: body.action, builtIn }, errors);
  checkMeaning(body.type, body, errors);
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
    description: body.description || null,
    mode: body.mode ?? null,
    source_ips: sourceIps(body.sourceIps),
    rule_id: rule,
    ...plainColumns(body),
  });
  await writeMembers(tx, id, members);
  const after = (await auditedPolicies(tx, [id])).get(id) ?? null;
  tx.changed({ kind: 'policy', id, op: 'create', name: body.name, before: null, after });
  return id;
}

/** An absent optional field keeps its value; null or an empty list clears it. A default policy stays as it is. */
export async function changePolicy(
  tx: Tx,
  context: RequestContext,
  deps: PolicyQueryDeps,
  id: string,
  body: Input<'updatePolicy'>['body'],
): Promise<void> {
  const row = await existing(tx, context, id);
  const rule = body.rule.toLowerCase();
  const members = membersOf(body);
  const errors = new FieldErrors();
  await checkMembers(tx, deps, row.type, members, errors);
  await checkRule(tx, rule, { action: body.action, builtIn: await builtInRule(tx.scoped) }, errors);
  checkMeaning(row.type, body, errors);
  errors.check();
  await trackPolicies(tx, [id], async () => {
    await updatePolicy(tx, id, {
      ...plainColumns(body),
      rule_id: rule,
      description: body.description === undefined ? row.description : body.description || null,
      mode: body.mode === undefined ? row.mode : body.mode,
      source_ips: body.sourceIps === undefined ? row.source_ips : sourceIps(body.sourceIps),
    });
    await writeMembers(tx, id, members);
  });
  const after = await findPolicy(tx.scoped, id);
  if (row.is_default === 1 && after?.version !== row.version) throw new ApiError('built_in');
}

export async function removePolicy(tx: Tx, context: RequestContext, id: string): Promise<void> {
  const row = await existing(tx, context, id);
  if (row.is_default === 1) throw new ApiError('built_in');
  const before = (await auditedPolicies(tx, [id])).get(id) ?? null;
  tx.changed({ kind: 'policy', id, op: 'delete', name: row.name, before, after: null });
  await deletePolicy(tx, id);
}

async function existing(tx: Tx, context: RequestContext, id: string): Promise<PolicyRow> {
  const row = await findPolicy(tx.scoped, id);
  if (row === undefined) throw notFound();
  requireVersion(context, row.version);
  return row;
}

/** Refuses what has no meaning for policies of a type: it would look as if it narrowed them. */
function checkMeaning(
  type: PolicyType,
  body: Pick<Input<'createPolicy'>['body'], 'mode' | 'gateways' | 'sourceIps'>,
  errors: FieldErrors,
): void {
  if (type === 'INTERNET') return;
  if (body.mode != null) errors.add('/mode', 'is for policies of type INTERNET only');
  if (body.gateways?.length)
    errors.add('/gateways', `has no meaning yet for policies of type ${type}`, 'not_supported_yet');
  if (body.sourceIps?.length)
    errors.add('/sourceIps', `has no meaning yet for policies of type ${type}`, 'not_supported_yet');
}

type Flags = Pick<
  Input<'updatePolicy'>['body'],
  'name' | 'action' | 'allGroups' | 'allUsers' | 'allDevices' | 'allResources'
>;

const plainColumns = (body: Flags) => ({
  name: body.name,
  action: bit(body.action),
  all_groups: bit(body.allGroups),
  all_users: bit(body.allUsers),
  all_devices: bit(body.allDevices),
  all_resources: bit(body.allResources),
});

/** UUIDs are equal whatever their letter case; null clears like an empty list. */
function membersOf({ users, groups, devices, resources, gateways }: GivenMembers): GivenMembers {
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

async function writeMembers(tx: Tx, id: string, { devices, resources, gateways }: GivenMembers): Promise<void> {
  if (devices != null) await replaceMembers(tx, id, 'device', devices);
  if (resources != null) await replaceMembers(tx, id, 'resource', resources);
  if (gateways != null) await replaceMembers(tx, id, 'gateway', gateways);
}

const sourceIps = (given: readonly string[] | null | undefined): string =>
  encodeJson((given ?? []).map((prefix) => canonicalPrefix(prefix) ?? prefix));

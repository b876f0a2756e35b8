import { randomUUIDv7 } from 'node:crypto';
import type { Input } from '@sallyport/contract';
import { encodeJson } from '../../db/json.ts';
import type { Tx } from '../../db/store.ts';
import { ApiError, invalidField, notFound } from '../../errors.ts';
import { FieldErrors } from '../../field-errors.ts';
import { type RequestContext, requireVersion } from '../../http/handlers.ts';
import {
  defaultMaxDevices,
  deleteGroup,
  findDefaultGroup,
  findGroup,
  findSamlDefaultGroup,
  type GroupRow,
  insertGroup,
  replaceGroupRoles,
  updateGroup,
} from '../../objects/groups/store.ts';
import { auditedGroups, trackGroups } from '../../objects/groups/tracking.ts';
import { cutFromPolicies } from '../../objects/policies/cut.ts';
import { checkGivenRoles, rolesById, rolesOfGroups } from '../../objects/roles/queries.ts';
import { emptyGroup } from '../../objects/users/memberships.ts';
import { withoutNewPower } from './provider-targets.ts';

/** Creates a group and returns its id. */
export async function createGroup(
  tx: Tx,
  context: RequestContext,
  body: Input<'createGroup'>['body'],
): Promise<string> {
  const roles = await checkedRoles(tx, body.roles);
  const id = randomUUIDv7();
  const row = {
    id,
    created_at: tx.now,
    updated_at: tx.now,
    version: 1,
    name: body.name,
    description: body.description || null,
    max_devices: body.maxDevices ?? defaultMaxDevices,
    is_default: 0,
    is_saml_default: 0,
    idp_mapping: mappingOf(body.idpMapping ?? []),
  };
  await withoutNewPower(tx, context, id, async () => {
    await insertGroup(tx, row);
    await replaceGroupRoles(tx, id, roles);
    if (body.isSamlDefaultGroup === true) await moveSamlDefault(tx, id, id);
  });
  const after = (await auditedGroups(tx, [id])).get(id) ?? null;
  tx.changed({ kind: 'group', id, op: 'create', name: body.name, before: null, after });
  return id;
}

/** Changes a group. An absent optional field keeps its value. */
export async function changeGroup(
  tx: Tx,
  context: RequestContext,
  id: string,
  body: Input<'updateGroup'>['body'],
): Promise<void> {
  const row = await existing(tx, context, id);
  const roles = await checkedRoles(tx, body.roles);
  if (row.is_default === 1) await requireDefault(tx, row, body.name, roles);
  const values = {
    name: body.name,
    description: body.description === undefined ? row.description : body.description || null,
    max_devices: body.maxDevices ?? row.max_devices,
    idp_mapping: body.idpMapping === undefined ? row.idp_mapping : mappingOf(body.idpMapping),
  };
  await withoutNewPower(tx, context, id, async () => {
    await trackGroups(tx, [id], async () => {
      await updateGroup(tx, id, values);
      await replaceGroupRoles(tx, id, roles);
    });
    await changeSamlDefault(tx, row, body.isSamlDefaultGroup);
  });
}

/** Deletes a group. Members without another group move to the default group. */
export async function removeGroup(tx: Tx, context: RequestContext, id: string): Promise<void> {
  const row = await existing(tx, context, id);
  if (row.is_default === 1)
    throw new ApiError('built_in', 'The default group cannot be deleted: it holds the users who are in no other group');
  const before = (await auditedGroups(tx, [id])).get(id) ?? null;
  const main = await findDefaultGroup(tx.scoped);
  await emptyGroup(tx, id, main.id);
  if (row.is_saml_default === 1) await moveSamlDefault(tx, main.id, id);
  await cutFromPolicies(tx, 'group', id);
  await deleteGroup(tx, id);
  tx.changed({ kind: 'group', id, op: 'delete', name: row.name, before, after: null });
}

async function existing(tx: Tx, context: RequestContext, id: string): Promise<GroupRow> {
  const row = await findGroup(tx.scoped, id);
  if (row === undefined) throw notFound();
  requireVersion(context, row.version);
  return row;
}

async function checkedRoles(tx: Tx, given: readonly string[]): Promise<string[]> {
  const errors = new FieldErrors();
  const roles = checkGivenRoles(await rolesById(tx.scoped), given, '/roles', errors);
  errors.check();
  return roles;
}

/** Refuses changes of the name and roles of the default group, so that new users get only the rights of users. */
async function requireDefault(tx: Tx, row: GroupRow, name: string, roles: readonly string[]): Promise<void> {
  const present = new Set((await rolesOfGroups(tx.scoped, [row.id])).get(row.id));
  const same = present.size === roles.length && roles.every((role) => present.has(role));
  if (name !== row.name || !same)
    throw new ApiError('built_in', 'The name and the roles of the default group cannot be changed');
}

async function changeSamlDefault(tx: Tx, row: GroupRow, wanted: boolean | undefined): Promise<void> {
  if (wanted === undefined || wanted === (row.is_saml_default === 1)) return;
  if (wanted) return moveSamlDefault(tx, row.id);
  if (row.is_default === 1)
    throw invalidField('/isSamlDefaultGroup', 'cannot be cleared here: set it on the group that takes over');
  await moveSamlDefault(tx, (await findDefaultGroup(tx.scoped)).id);
}

/** Exactly one group is the one for users of the identity provider. `unrecorded` is recorded by who comes or goes. */
async function moveSamlDefault(tx: Tx, to: string, unrecorded?: string): Promise<void> {
  const from = await findSamlDefaultGroup(tx.scoped);
  const ids = [from.id, to].filter((id) => id !== unrecorded);
  await trackGroups(tx, ids, async () => {
    await updateGroup(tx, from.id, { is_saml_default: 0 });
    await updateGroup(tx, to, { is_saml_default: 1 });
  });
}

const mappingOf = (names: readonly string[]): string => encodeJson([...new Set(names)]);

import { decodeJson } from '../../db/json.ts';
import type { Tx } from '../../db/store.ts';
import { type Tracking, tracked } from '../../db/tracked.ts';
import { rolesOfGroups } from '../roles/queries.ts';
import { bumpGroups, findGroups, type GroupRow } from './store.ts';

/** Runs `work` and records each of the groups that it changed. */
export function trackGroups(tx: Tx, ids: readonly string[], work: () => Promise<void>): Promise<void> {
  return tracked(tx, tracking, ids, work);
}

/**
 * Records that members joined or left groups. The changes of the users say which ones, because a group can have
 * thousands.
 */
export async function recordMembers(tx: Tx, ids: readonly string[], action: 'attach' | 'detach'): Promise<void> {
  const rows = new Map((await findGroups(tx.scoped, ids)).map((row) => [row.id, row]));
  for (const id of ids) {
    const row = rows.get(id);
    if (row !== undefined) tx.changed({ kind: 'group', id, op: 'update', name: row.name, action });
  }
}

/** Returns groups in the form of the audit trail, by id. */
export async function auditedGroups(tx: Tx, ids: readonly string[]) {
  const roles = await rolesOfGroups(tx.scoped, ids);
  return new Map((await findGroups(tx.scoped, ids)).map((row) => [row.id, audited(row, roles.get(row.id) ?? [])]));
}

const tracking: Tracking = { kind: 'group', load: auditedGroups, bump: bumpGroups };

const audited = (row: GroupRow, roles: readonly string[]) => ({
  id: row.id,
  name: row.name,
  description: row.description,
  roles,
  maxDevices: row.max_devices,
  isSamlDefaultGroup: row.is_saml_default === 1,
  idpMapping: decodeJson<string[]>(row.idp_mapping),
});

import { encodeJson } from '../../db/json.ts';
import type { Tx } from '../../db/store.ts';
import { ApiError } from '../../errors.ts';
import { may, type RequestContext } from '../../http/handlers.ts';
import { findGroup } from '../../objects/groups/queries.ts';
import { isMapped } from '../../objects/providers/queries.ts';
import { rolesById, rolesOfGroups } from '../../objects/roles/queries.ts';

/**
 * Runs a write of a group, and refuses it when providers could put people into a role above User by it. Only owners decide
 * that: an administrator at the provider would else become one here.
 */
export async function withoutNewPower(
  tx: Tx,
  context: RequestContext,
  id: string,
  work: () => Promise<void>,
): Promise<void> {
  const before = await power(tx, id);
  await work();
  const after = await power(tx, id);
  if (after === null || after === before || may(context, 'own')) return;
  throw new ApiError(
    'forbidden',
    'Providers put people into this group, and its roles manage more than an own account: only an owner may do this',
  );
}

/** The roles above User that a provider can give by a group, and by what; null when there are none. */
async function power(tx: Tx, id: string): Promise<string | null> {
  const row = await findGroup(tx.scoped, id);
  if (row === undefined) return null;
  const known = await rolesById(tx.scoped);
  const given = (await rolesOfGroups(tx.scoped, [id])).get(id) ?? [];
  const roles = given.filter((role) => !['BASIC', 'DEFAULT'].includes(known.get(role)?.type ?? 'BASIC')).sort();
  const mapped = await isMapped(tx.scoped, id);
  const target = mapped || row.is_saml_default === 1 || row.idp_mapping !== '[]';
  return roles.length === 0 || !target ? null : encodeJson([roles, row.idp_mapping, row.is_saml_default, mapped]);
}

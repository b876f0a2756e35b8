import { decodeJson } from '../../db/json.ts';
import type { Scoped } from '../../db/scoped.ts';
import type { Tx } from '../../db/store.ts';
import { findDefaultGroup } from '../groups/queries.ts';
import { recordMembers } from '../groups/tracking.ts';
import { insertMemberships } from '../users/queries.ts';
import { trackUsers } from '../users/tracking.ts';
import { mappingOf, type ProviderRow } from './store.ts';

/** Groups that values of the claim put people into: those of the provider's mapping, and those that name a value themselves. */
export async function groupsFor(db: Scoped, provider: string, values: readonly string[]): Promise<ReadonlySet<string>> {
  const wanted = new Set(values);
  return new Set((await targets(db, provider)).filter(({ value }) => wanted.has(value)).map(({ group }) => group));
}

async function targets(db: Scoped, provider: string): Promise<{ readonly value: string; readonly group: string }[]> {
  const groups = await db.selectFrom('groups').select(['id', 'idp_mapping']).where('idp_mapping', '<>', '[]').execute();
  const named = groups.flatMap(({ id, idp_mapping }) =>
    decodeJson<string[]>(idp_mapping).map((value) => ({ value, group: id })),
  );
  return [...(await mappingOf(db, provider)), ...named];
}

/**
 * Makes the memberships that a user has from a provider fit the values of its claim. Null changes nothing: the provider said
 * nothing. Memberships from elsewhere stay.
 */
export async function followGroups(
  tx: Tx,
  { id: provider }: Pick<ProviderRow, 'id'>,
  user: string,
  values: readonly string[] | null,
): Promise<void> {
  if (values === null) return;
  const wanted = await groupsFor(tx.scoped, provider, values);
  const present = await tx.scoped
    .selectFrom('group_members')
    .select(['group_id', 'provider_id'])
    .where('user_id', '=', user)
    .execute();
  const known = new Set(present.map(({ group_id }) => group_id));
  const joins = [...wanted].filter((group) => !known.has(group)).sort();
  const leaves = present
    .filter(({ group_id, provider_id }) => provider_id === provider && !wanted.has(group_id))
    .map(({ group_id }) => group_id)
    .sort();
  if (joins.length === 0 && leaves.length === 0) return;
  await trackUsers(tx, [user], async () => {
    await leaveGroups(tx, provider, [user], leaves);
    for (const group of joins) await joinByProvider(tx, provider, user, group);
    await keepOneGroup(tx, [user]);
  });
  if (joins.length > 0) await recordMembers(tx, joins, 'attach');
  if (leaves.length > 0) await recordMembers(tx, leaves, 'detach');
}

/** Ends the memberships from a provider in groups that it no longer puts anybody into; all of them with `all`. */
export async function endMemberships(tx: Tx, provider: string, all: boolean): Promise<void> {
  const present = await tx.scoped
    .selectFrom('group_members')
    .select(['group_id', 'user_id'])
    .where('provider_id', '=', provider)
    .execute();
  const kept = all ? new Set() : new Set((await targets(tx.scoped, provider)).map(({ group }) => group));
  const gone = present.filter(({ group_id }) => !kept.has(group_id));
  const users = [...new Set(gone.map(({ user_id }) => user_id))];
  const groups = [...new Set(gone.map(({ group_id }) => group_id))];
  if (users.length === 0) return;
  await trackUsers(tx, users, async () => {
    await leaveGroups(tx, provider, null, groups);
    await keepOneGroup(tx, users);
  });
  await recordMembers(tx, groups, 'detach');
}

/** `users` null: all. */
async function leaveGroups(
  tx: Tx,
  provider: string,
  users: readonly string[] | null,
  groups: readonly string[],
): Promise<void> {
  for (const group of groups) {
    const own = tx.scoped.deleteFrom('group_members').where('provider_id', '=', provider).where('group_id', '=', group);
    await (users === null ? own : own.where('user_id', 'in', users)).execute();
  }
}

async function joinByProvider(tx: Tx, provider: string, user: string, group: string): Promise<void> {
  await tx.scoped
    .insertInto('group_members', { user_id: user, group_id: group, created_at: tx.now, provider_id: provider })
    .execute();
}

/** Puts users who are in no group into the default one. */
async function keepOneGroup(tx: Tx, users: readonly string[]): Promise<void> {
  const refuge = (await findDefaultGroup(tx.scoped)).id;
  for (const user of users) {
    const any = await tx.scoped
      .selectFrom('group_members')
      .select('group_id')
      .where('user_id', '=', user)
      .executeTakeFirst();
    if (any === undefined) await insertMemberships(tx, [{ user, group: refuge }]);
  }
}

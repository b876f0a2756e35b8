import type { PolicyType } from '@sallyport/contract';
import { chunks, selectIn } from '../../db/chunks.ts';
import type { Row, RowUpdate } from '../../db/schema.ts';
import type { Scoped, WithoutTenant } from '../../db/scoped.ts';
import type { Tx } from '../../db/store.ts';

/** A policy as the database holds it. */
export type PolicyRow = Row<'policies'>;

/** Kinds of objects that a policy can name. */
export type MemberKind = Row<'policy_members'>['kind'];

/** Ids of the objects that a policy names, by kind. */
export type Members = Readonly<Record<MemberKind, readonly string[]>>;

/** A policy with the ids that it names, in order. */
export interface PolicyParts {
  readonly row: PolicyRow;
  readonly members: Members;
}

/** Returns a policy; undefined when there is none with this id. */
export const findPolicy = (db: Scoped, id: string): Promise<PolicyRow | undefined> =>
  db.selectFrom('policies').selectAll().where('id', '=', id).executeTakeFirst();

/** Returns policies in no particular order. Unknown ids are left out. */
export const findPolicies = (db: Scoped, ids: readonly string[]): Promise<PolicyRow[]> =>
  selectIn(ids, (part) => db.selectFrom('policies').selectAll().where('id', 'in', part).execute());

/** Returns every policy by type, in the order in which they are evaluated. */
export const listPolicies = (db: Scoped): Promise<PolicyRow[]> =>
  db
    .selectFrom('policies')
    .selectAll()
    .orderBy('type')
    .orderBy('is_default')
    .orderBy('position')
    .orderBy('id')
    .execute();

/** Returns the policies of one type in the order in which they are evaluated. */
export const policiesOfType = (db: Scoped, type: PolicyType): Promise<PolicyRow[]> =>
  db
    .selectFrom('policies')
    .selectAll()
    .where('type', '=', type)
    .orderBy('is_default')
    .orderBy('position')
    .orderBy('id')
    .execute();

/** Completes rows, in their order. */
export async function withMembers(db: Scoped, rows: readonly PolicyRow[]): Promise<PolicyParts[]> {
  const found = await selectIn(
    rows.map(({ id }) => id),
    (part) =>
      db
        .selectFrom('policy_members')
        .select(['policy_id', 'kind', 'member_id'])
        .where('policy_id', 'in', part)
        .orderBy('position')
        .execute(),
  );
  const byPolicy = Map.groupBy(found, ({ policy_id }) => policy_id);
  return rows.map((row) => {
    const members = byPolicy.get(row.id) ?? [];
    const ids = (kind: MemberKind) => members.filter((member) => member.kind === kind).map((m) => m.member_id);
    return {
      row,
      members: {
        group: ids('group'),
        user: ids('user'),
        device: ids('device'),
        resource: ids('resource'),
        gateway: ids('gateway'),
      },
    };
  });
}

/** Returns the position after all other policies of the type, before the default one. */
export async function nextPosition(db: Scoped, type: PolicyType): Promise<number> {
  const { last } = await db
    .selectFrom('policies')
    .select((eb) => eb.fn.max('position').as('last'))
    .where('type', '=', type)
    .where('is_default', '=', 0)
    .executeTakeFirstOrThrow();
  return Number(last ?? 0) + 1;
}

/** Inserts a policy without members. */
export async function insertPolicy(tx: Tx, row: WithoutTenant<'policies'>): Promise<void> {
  await tx.scoped.insertInto('policies', row).execute();
}

/** Sets columns of a policy. */
export async function updatePolicy(tx: Tx, id: string, values: RowUpdate<'policies'>): Promise<void> {
  await tx.scoped.updateTable('policies').set(values).where('id', '=', id).execute();
}

/** Increments the versions of policies. */
export async function bumpPolicies(tx: Tx, ids: readonly string[]): Promise<void> {
  for (const part of chunks(ids))
    await tx.scoped
      .updateTable('policies')
      .set((eb) => ({ version: eb('version', '+', 1), updated_at: tx.now }))
      .where('id', 'in', part)
      .execute();
}

/** Deletes a policy together with its members. */
export async function deletePolicy(tx: Tx, id: string): Promise<void> {
  await tx.scoped.deleteFrom('policies').where('id', '=', id).execute();
}

/** Makes the members of one kind exactly these. */
export async function replaceMembers(tx: Tx, policy: string, kind: MemberKind, ids: readonly string[]): Promise<void> {
  await tx.scoped.deleteFrom('policy_members').where('policy_id', '=', policy).where('kind', '=', kind).execute();
  const rows = ids.map((member_id, position) => ({ policy_id: policy, kind, member_id, position }));
  for (const part of chunks(rows)) await tx.scoped.insertInto('policy_members', part).execute();
}

/** Returns the ids of the policies that name an object, in the order in which they are evaluated. */
export async function policiesNaming(db: Scoped, kind: MemberKind, member: string): Promise<string[]> {
  const rows = await db
    .selectFrom('policy_members')
    .innerJoin('policies', 'policies.id', 'policy_members.policy_id')
    .select('policies.id')
    .where('policy_members.kind', '=', kind)
    .where('policy_members.member_id', '=', member)
    .orderBy('policies.type')
    .orderBy('policies.position')
    .execute();
  return rows.map(({ id }) => id);
}

/** Takes an object out of every policy. */
export async function deleteMember(tx: Tx, kind: MemberKind, member: string): Promise<void> {
  await tx.scoped.deleteFrom('policy_members').where('kind', '=', kind).where('member_id', '=', member).execute();
}

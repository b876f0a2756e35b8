import { chunks, selectIn } from '../../db/chunks.ts';
import type { Row, RowUpdate } from '../../db/schema.ts';
import type { Scoped, WithoutTenant } from '../../db/scoped.ts';
import type { Tx } from '../../db/store.ts';

/** An admission rule as the database holds it. */
export type AdmissionRuleRow = Row<'admission_rules'>;

/** Returns rules by id, in no particular order. Unknown ids are left out. */
export const findRules = (db: Scoped, ids: readonly string[]): Promise<AdmissionRuleRow[]> =>
  selectIn(ids, (part) => db.selectFrom('admission_rules').selectAll().where('id', 'in', part).execute());

/** Returns every rule, the built-in one first. */
export const listRules = (db: Scoped): Promise<AdmissionRuleRow[]> =>
  db
    .selectFrom('admission_rules')
    .selectAll()
    .orderBy('built_in', 'desc')
    .orderBy('created_at')
    .orderBy('id')
    .execute();

/** Inserts a rule. */
export async function insertRule(tx: Tx, row: WithoutTenant<'admission_rules'>): Promise<void> {
  await tx.scoped.insertInto('admission_rules', row).execute();
}

/** Sets columns of a rule. */
export async function updateRule(tx: Tx, id: string, values: RowUpdate<'admission_rules'>): Promise<void> {
  await tx.scoped.updateTable('admission_rules').set(values).where('id', '=', id).execute();
}

/** Increments the versions of rules. */
export async function bumpRules(tx: Tx, ids: readonly string[]): Promise<void> {
  for (const part of chunks(ids))
    await tx.scoped
      .updateTable('admission_rules')
      .set((eb) => ({ version: eb('version', '+', 1), updated_at: tx.now }))
      .where('id', 'in', part)
      .execute();
}

/** Deletes a rule. */
export async function deleteRule(tx: Tx, id: string): Promise<void> {
  await tx.scoped.deleteFrom('admission_rules').where('id', '=', id).execute();
}

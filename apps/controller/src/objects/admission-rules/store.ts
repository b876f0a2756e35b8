import { chunks, selectIn } from '../../db/chunks.ts';
import type { Row, RowUpdate } from '../../db/schema.ts';
import type { Scoped, WithoutTenant } from '../../db/scoped.ts';
import type { Tx } from '../../db/store.ts';

export type AdmissionRuleRow = Row<'admission_rules'>;

export const findRules = (db: Scoped, ids: readonly string[]): Promise<AdmissionRuleRow[]> =>
  selectIn(ids, (part) => db.selectFrom('admission_rules').selectAll().where('id', 'in', part).execute());

/** Built-in ones first. */
export const listRules = (db: Scoped): Promise<AdmissionRuleRow[]> =>
  db
    .selectFrom('admission_rules')
    .selectAll()
    .orderBy('built_in', 'desc')
    .orderBy('created_at')
    .orderBy('id')
    .execute();

export async function insertRule(tx: Tx, row: WithoutTenant<'admission_rules'>): Promise<void> {
  await tx.scoped.insertInto('admission_rules', row).execute();
}

export async function updateRule(tx: Tx, id: string, values: RowUpdate<'admission_rules'>): Promise<void> {
  await tx.scoped.updateTable('admission_rules').set(values).where('id', '=', id).execute();
}

export async function bumpRules(tx: Tx, ids: readonly string[]): Promise<void> {
  for (const part of chunks(ids))
    await tx.scoped
      .updateTable('admission_rules')
      .set((eb) => ({ version: eb('version', '+', 1), updated_at: tx.now }))
      .where('id', 'in', part)
      .execute();
}

export async function deleteRule(tx: Tx, id: string): Promise<void> {
  await tx.scoped.deleteFrom('admission_rules').where('id', '=', id).execute();
}

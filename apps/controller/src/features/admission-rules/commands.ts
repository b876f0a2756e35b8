import { randomUUIDv7 } from 'node:crypto';
import type { Input } from '@sallyport/contract';
import { checkRule } from '@sallyport/policy';
import { bit } from '../../db/json.ts';
import type { Tx } from '../../db/store.ts';
import { type Tracking, tracked } from '../../db/tracked.ts';
import { ApiError, notFound } from '../../errors.ts';
import { type RequestContext, requireVersion } from '../../http/handlers.ts';
import {
  type AdmissionRuleRow,
  bumpRules,
  deleteRule,
  findRules,
  insertRule,
  updateRule,
} from '../../objects/admission-rules/store.ts';
import { policiesWithRule } from '../../objects/policies/queries.ts';

/** Creates a rule and returns its id. Throws `invalid_rule` with the place of the mistake. */
export async function createRule(tx: Tx, body: Input<'createAdmissionRule'>['body']): Promise<string> {
  checkText(body.rule);
  const id = randomUUIDv7();
  const row = {
    id,
    created_at: tx.now,
    updated_at: tx.now,
    version: 1,
    type: 'CUSTOM' as const,
    built_in: 0,
    name: body.name,
    rule: body.rule,
    has_time_constraint: bit(body.hasTimeConstraint),
    time_zone: body.timeZone ?? null,
  };
  await insertRule(tx, row);
  tx.changed({ kind: 'admission-rule', id, op: 'create', name: row.name, before: null, after: audited(row) });
  return id;
}

/** Changes a rule. The change applies at once to every policy with the rule. */
export async function changeRule(
  tx: Tx,
  context: RequestContext,
  id: string,
  body: Input<'updateAdmissionRule'>['body'],
): Promise<void> {
  const row = await existing(tx, context, id);
  checkText(body.rule);
  await tracked(tx, tracking, [id], () =>
    updateRule(tx, id, {
      name: body.name,
      rule: body.rule,
      has_time_constraint: bit(body.hasTimeConstraint),
      time_zone: body.timeZone === undefined ? row.time_zone : body.timeZone,
    }),
  );
}

/** Deletes a rule. Throws `in_use` while policies have it, because they would admit other devices without it. */
export async function removeRule(tx: Tx, context: RequestContext, id: string): Promise<void> {
  const row = await existing(tx, context, id);
  const policies = await policiesWithRule(tx.scoped, id);
  if (policies.length > 0)
    throw new ApiError('in_use', `These policies use the rule: ${listed(policies)}. Give them another rule first`);
  tx.changed({ kind: 'admission-rule', id, op: 'delete', name: row.name, before: audited(row), after: null });
  await deleteRule(tx, id);
}

async function existing(tx: Tx, context: RequestContext, id: string): Promise<AdmissionRuleRow> {
  const [row] = await findRules(tx.scoped, [id]);
  if (row === undefined) throw notFound();
  requireVersion(context, row.version);
  if (row.built_in === 1) throw new ApiError('built_in');
  return row;
}

function checkText(rule: string): void {
  const check = checkRule(rule);
  if (check.ok) return;
  const { line, column, message, hint } = check;
  const where = `line ${line}, column ${column}`;
  throw new ApiError('invalid_rule', `${where}: ${message}. ${hint}`, [
    { pointer: '/rule', message: `${where}: ${message}`, line, column, hint },
  ]);
}

/** Most policies that an answer names; the others are counted. */
const namedAtMost = 20;

function listed(policies: readonly { readonly id: string; readonly name: string }[]): string {
  const named = policies.slice(0, namedAtMost).map(({ id, name }) => `"${name}" (${id})`);
  const more = policies.length - named.length;
  return named.join(', ') + (more === 0 ? '' : ` and ${more} more`);
}

const tracking: Tracking = {
  kind: 'admission-rule',
  load: async (tx, ids) => new Map((await findRules(tx.scoped, ids)).map((row) => [row.id, audited(row)])),
  bump: bumpRules,
};

/** Returns a rule in the form of the audit trail. */
const audited = (row: Omit<AdmissionRuleRow, 'tenant_id'>) => ({
  id: row.id,
  name: row.name,
  rule: row.rule,
  hasTimeConstraint: row.has_time_constraint === 1,
  timeZone: row.time_zone,
});

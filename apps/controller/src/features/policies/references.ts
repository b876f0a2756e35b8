import type { AccessType, PolicyType } from '@sallyport/contract';
import type { Tx } from '../../db/store.ts';
import type { FieldErrors } from '../../field-errors.ts';
import { rulesById } from '../../objects/admission-rules/queries.ts';
import { nestedGroups } from '../../objects/groups/queries.ts';
import { nestedResources } from '../../objects/resources/queries.ts';
import { nestedUsers } from '../../objects/users/queries.ts';
import type { PolicyQueryDeps } from './queries.ts';

/** Ids that a request lists for a policy; undefined for a list that it leaves out. */
export type GivenMembers = Readonly<
  Record<'users' | 'groups' | 'devices' | 'resources' | 'gateways', readonly string[] | undefined>
>;

/** Adds to `errors` what is wrong with the objects that a policy names. Ids are in lower case. */
export async function checkMembers(
  tx: Tx,
  { devices, gateways }: PolicyQueryDeps,
  type: PolicyType,
  given: GivenMembers,
  errors: FieldErrors,
): Promise<void> {
  checkIds('users', given.users, await nestedUsers(tx.scoped, given.users ?? [], tx.now), errors);
  checkIds('groups', given.groups, await nestedGroups(tx.scoped, given.groups ?? []), errors);
  checkIds('devices', given.devices, await devices.nested(tx.scoped, given.devices ?? []), errors);
  checkIds('gateways', given.gateways, await gateways.nested(tx.scoped, given.gateways ?? []), errors);
  const resources = await nestedResources(tx.scoped, given.resources ?? []);
  checkIds('resources', given.resources, resources, errors);
  for (const [i, id] of (given.resources ?? []).entries()) {
    const resource = resources.get(id);
    if (resource !== undefined && !fits(resource.type, type))
      errors.add(`/resources/${i}`, `is a resource of type ${resource.type}, but the policy is of type ${type}`);
  }
}

/** Adds to `errors` what is wrong with the rule. A deny is unconditional, so it takes only the built-in rule. */
export async function checkRule(
  tx: Tx,
  rule: string,
  { action, builtIn }: { readonly action: boolean; readonly builtIn: string },
  errors: FieldErrors,
): Promise<void> {
  const known = await rulesById(tx.scoped, [rule]);
  if (!known.has(rule)) errors.add('/rule', 'is not the id of an admission rule', 'invalid_reference');
  else if (!action && rule !== builtIn)
    errors.add('/rule', 'must be the built-in rule, because a policy that denies takes no other', 'rule_not_allowed');
}

/** Returns whether a policy may name a resource. Site-to-site policies take private and SaaS resources. */
const fits = (resource: AccessType, policy: PolicyType): boolean =>
  policy === 'SITETOSITE' ? resource !== 'INTERNET' : resource === policy;

function checkIds(
  field: string,
  ids: readonly string[] | undefined,
  known: ReadonlyMap<string, unknown>,
  errors: FieldErrors,
): void {
  const seen = new Set<string>();
  for (const [i, id] of (ids ?? []).entries()) {
    const pointer = `/${field}/${i}`;
    if (!known.has(id)) errors.add(pointer, `is not the id of a ${field.slice(0, -1)}`, 'invalid_reference');
    else if (seen.has(id)) errors.add(pointer, 'is given twice');
    seen.add(id);
  }
}

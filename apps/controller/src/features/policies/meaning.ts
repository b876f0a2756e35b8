import type { PolicyType } from '@sallyport/contract';
import type { FieldErrors } from '../../field-errors.ts';
import type { PolicyRow } from '../../objects/policies/store.ts';

/** A policy after the write, reduced to the fields that only some types have. */
export interface Shape {
  readonly type: PolicyType;
  readonly action: boolean;
  readonly mode: PolicyRow['mode'];
  readonly allUsers: boolean;
  readonly allGroups: boolean;
  readonly allDevices: boolean;
  readonly users: readonly string[];
  readonly groups: readonly string[];
  readonly devices: readonly string[];
  readonly gateways: readonly string[];
  readonly sourceIps: readonly string[];
}

/**
 * Adds to `errors` the fields that a policy of this type cannot have or lacks. A field without effect is refused and not
 * ignored, because it would look as if it narrowed the policy.
 */
export function checkMeaning(policy: Shape, errors: FieldErrors): void {
  switch (policy.type) {
    case 'PRIVATE':
    case 'SAAS':
      checkAccess(policy, errors);
      return;
    case 'INTERNET':
      checkInternet(policy, errors);
      return;
    case 'SITETOSITE':
      checkSites(policy, errors);
  }
}

function checkAccess({ type, mode, gateways, sourceIps }: Shape, errors: FieldErrors): void {
  if (mode !== null) errors.add('/mode', 'is for policies of type INTERNET only');
  if (gateways.length > 0)
    errors.add('/gateways', `have no meaning for policies of type ${type}: the gateways of the resources carry them`);
  if (sourceIps.length > 0) errors.add('/sourceIps', 'are for policies of type SITETOSITE only');
}

/** Checks an internet policy. Gateways may stay with a mode that uses none, so that the mode can be changed back. */
function checkInternet({ action, mode, gateways, sourceIps }: Shape, errors: FieldErrors): void {
  if (!action) errors.add('/action', 'must be true for policies of type INTERNET: use mode RESTRICTED to deny');
  if (mode === 'INTERNET_ACCESS_POINT' && gateways.length === 0)
    errors.add('/gateways', 'must name at least one gateway through which the traffic leaves');
  if (sourceIps.length > 0) errors.add('/sourceIps', 'are for policies of type SITETOSITE only');
}

function checkSites(policy: Shape, errors: FieldErrors): void {
  for (const list of ['groups', 'users', 'devices'] as const)
    if (policy[list].length > 0) errors.add(`/${list}`, 'have no meaning for policies of type SITETOSITE');
  for (const flag of ['allGroups', 'allUsers', 'allDevices'] as const)
    if (policy[flag]) errors.add(`/${flag}`, 'has no meaning for policies of type SITETOSITE');
  if (policy.sourceIps.length === 0)
    errors.add('/sourceIps', 'must have at least one address or range of the site that is to have access');
  if (policy.gateways.length === 0) errors.add('/gateways', 'must name at least one gateway of the site');
  if (policy.mode !== null) errors.add('/mode', 'is for policies of type INTERNET only');
}

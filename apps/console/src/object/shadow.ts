import type { Policy } from '@sallyport/contract';

/**
 * Returns the policy above that decides everything this one could decide; null when there is none. Group membership is not
 * looked up, so a policy about one member of a group above is not found.
 */
export function shadowOf(policy: Policy, above: readonly Policy[]): Policy | null {
  if (isEmpty(policy)) return null;
  return above.find((other) => decidesAlways(other) && coversWho(other, policy) && coversWhere(other, policy)) ?? null;
}

/** A policy with a condition lets others decide when it is not met. */
const decidesAlways = ({ action, rule }: Policy): boolean => !action || rule === undefined || rule.type === 'ALLOW';

const isEmpty = (policy: Policy): boolean =>
  policy.type !== 'SITETOSITE' &&
  !policy.allUsers &&
  !policy.allGroups &&
  !policy.allDevices &&
  ids(policy.users).length + ids(policy.groups).length + ids(policy.devices).length === 0;

function coversWho(other: Policy, policy: Policy): boolean {
  if (policy.type === 'SITETOSITE')
    return within(policy.sourceIps ?? [], other.sourceIps ?? []) && within(ids(policy.gateways), ids(other.gateways));
  if (other.allDevices) return true;
  if (policy.allDevices || !within(ids(policy.devices), ids(other.devices))) return false;
  // Every user is in a group, so the two mean the same people.
  if (other.allUsers || other.allGroups) return true;
  if (policy.allUsers || policy.allGroups) return false;
  return within(ids(policy.users), ids(other.users)) && within(ids(policy.groups), ids(other.groups));
}

function coversWhere(other: Policy, policy: Policy): boolean {
  if (policy.type === 'INTERNET') return true;
  if (other.allResources) return true;
  return !policy.allResources && within(ids(policy.resources), ids(other.resources));
}

const ids = (all: readonly { readonly id: string }[] = []): string[] => all.map(({ id }) => id);
const within = (some: readonly string[], all: readonly string[]): boolean => some.every((one) => all.includes(one));

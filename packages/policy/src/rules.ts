import type { AccessType, PolicyType } from '@sallyport/contract';
import type { WorldDevice, WorldPolicy, WorldResource } from './types.ts';

/** Rules of evaluation that the reference evaluation and the compiler share. */

/** Types whose policies admit packets, in the order in which they are walked. */
export const enforcedTypes = ['PRIVATE', 'SAAS'] as const;
export type EnforcedType = (typeof enforcedTypes)[number];

export function isEnforced(type: PolicyType | AccessType): type is EnforcedType {
  return type === 'PRIVATE' || type === 'SAAS';
}

/** Whether a device is a source of a policy: a union of the lists, where an `all` flag overrides its list. */
export function matchesSource(policy: WorldPolicy, device: WorldDevice): boolean {
  if (!device.active) return false;
  return policy.allDevices || policy.devices.includes(device.id) || matchesUser(policy, device.user);
}

/** Whether a policy speaks of a resource. A list names resources of the policy's own type only. */
export function matchesResource(policy: WorldPolicy, resource: WorldResource): boolean {
  if (policy.type !== resource.type) return false;
  return policy.allResources || policy.resources.includes(resource.id);
}

export interface Admission {
  readonly met: boolean;
  /** Epoch milliseconds at which the outcome may change, or null: not by time alone. */
  readonly validUntil: number | null;
}

/** Outcome of the admission rule of a policy. A deny is unconditional; a rule that cannot be evaluated is not met. */
export function admission(policy: WorldPolicy): Admission {
  return { met: !policy.allow || policy.rule.unrestricted, validUntil: null };
}

/** Group membership is no part of the world yet, so the list of groups adds nobody. */
function matchesUser(policy: WorldPolicy, user: string | null): boolean {
  if (user === null) return false;
  return policy.allUsers || policy.allGroups || policy.users.includes(user);
}

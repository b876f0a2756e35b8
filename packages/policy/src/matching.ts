import type { AccessType, PolicyType } from '@sallyport/contract';
import type { WorldDevice, WorldPolicy, WorldResource, WorldRule } from './types.ts';
import type { World } from './world.ts';

/** Rules of matching that the reference evaluation and the compiler share. */

/** Types whose policies are about devices, in the order of evaluation. */
export const deviceTypes = ['PRIVATE', 'SAAS', 'INTERNET'] as const;

/** Returns whether resources of a type are reached through gateways to which they are attached. */
export function isAttachable(type: AccessType): boolean {
  return type === 'PRIVATE' || type === 'SAAS';
}

/** Returns whether policies can match a device: it is active, and so is its owner if it has one. */
export function isAlive(world: World, device: WorldDevice): boolean {
  return device.active && (device.user === null || world.users.get(device.user)?.active === true);
}

/** Returns the existing groups of a user. */
export function groupsOf(world: World, user: string): readonly string[] {
  return (world.users.get(user)?.groups ?? []).filter((id) => world.groups.has(id));
}

/** Returns whether a device is a source of a policy. The lists form a union; an `all` flag overrides its list. */
export function matchesDevice(world: World, policy: WorldPolicy, device: WorldDevice): boolean {
  if (policy.type === 'SITETOSITE' || !isAlive(world, device)) return false;
  if (policy.allDevices || policy.devices.includes(device.id)) return true;
  if (device.user === null) return false;
  if (policy.allUsers || policy.users.includes(device.user)) return true;
  const groups = groupsOf(world, device.user);
  return policy.allGroups ? groups.length > 0 : groups.some((id) => policy.groups.includes(id));
}

/** Returns whether a policy names a resource. A list names only resources of the policy's own types. */
export function matchesResource(policy: WorldPolicy, resource: WorldResource): boolean {
  return speaksOf(policy.type, resource.type) && (policy.allResources || policy.resources.includes(resource.id));
}

/**
 * Returns whether policies of a type name resources of a type. Policies between sites name private and SaaS resources.
 */
export function speaksOf(policy: PolicyType, resource: AccessType): boolean {
  return policy === 'SITETOSITE' ? isAttachable(resource) : policy === resource;
}

/** Returns whether an internet policy applies to every public destination. */
export function isWholeInternet(policy: WorldPolicy): boolean {
  return policy.allResources || policy.resources.length === 0;
}

/** Returns whether a policy sends internet traffic through gateways. */
export function isAccessPoint(policy: WorldPolicy): boolean {
  return policy.type === 'INTERNET' && policy.allow && policy.mode === 'INTERNET_ACCESS_POINT';
}

/** Returns whether a met policy opens its destinations at a gateway that carries them; else it closes them there. */
export function opensOn(policy: WorldPolicy, gateway: string): boolean {
  return policy.type === 'INTERNET' ? isAccessPoint(policy) && policy.gateways.includes(gateway) : policy.allow;
}

/**
 * Returns the rule that a policy depends on. Null: it depends on none, as a deny and an unrestricted allow do.
 * Undefined: the rule does not exist, so the policy is never met.
 */
export function conditionOf(world: World, policy: WorldPolicy): WorldRule | null | undefined {
  if (!policy.allow) return null;
  const rule = world.rules.get(policy.rule);
  return rule?.unrestricted ? null : rule;
}

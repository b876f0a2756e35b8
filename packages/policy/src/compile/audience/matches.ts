import type { Outcome } from '../../rules/index.ts';
import type { WorldPolicy } from '../../types.ts';

/** A policy that applies to a device or a site now, with the outcome of its rule. */
export interface PolicyMatch {
  /** Equal for equal matches. */
  readonly key: string;
  readonly policy: string;
  /** False: the rule is not met, but when it is, the policy closes what other policies open. */
  readonly met: boolean;
  /** Epoch milliseconds until which this is certain; null: time alone does not change it. */
  readonly until: number | null;
}

/** Returns the match of a policy that depends on no rule. */
export function plainMatch(policy: string): PolicyMatch {
  return { key: policy, policy, met: true, until: null };
}

/**
 * Returns the match of a policy for the outcome of its rule, or null when the policy has no effect. A policy whose rule
 * is not met still matters where it would close something: access that ends by time must not last beyond that moment.
 */
export function matchOf(
  policy: WorldPolicy,
  { met, validUntil: until }: Outcome,
  awaited: boolean,
): PolicyMatch | null {
  const { id } = policy;
  if (met) return { key: until === null ? id : `${id}@${until}`, policy: id, met, until };
  if (policy.type === 'INTERNET' && until !== null) return { key: `${id}?${until}`, policy: id, met, until };
  return awaited && policy.allow ? { key: `${id}~`, policy: id, met, until: null } : null;
}

/**
 * Returns whether a policy only waits for its device to come from another address. It opens nothing, but the device
 * stays a peer: only a gateway that has the device as a peer sees its address.
 */
export const isAwaiting = ({ met, until }: PolicyMatch): boolean => !met && until === null;

/** Returns a text that is equal for equal lists of matches. */
export function keyOf(matches: readonly PolicyMatch[]): string {
  return matches.map(({ key }) => key).join(' ');
}

import type { Outcome } from '../../rules/index.ts';
import type { WorldPolicy } from '../../types.ts';

/** A policy that has something to say to a device or a site now. */
export interface PolicyMatch {
  /** Equal keys: equal matches. */
  readonly key: string;
  readonly policy: string;
  /** False: its rule is not met, but once it is, the policy closes what others open. */
  readonly met: boolean;
  /** Until when that is sure; null: not changed by time alone. */
  readonly until: number | null;
}

/** Match of a policy that depends on no rule. */
export function plainMatch(policy: string): PolicyMatch {
  return { key: policy, policy, met: true, until: null };
}

/**
 * Match of a policy whose rule has some outcome, or null when the policy is as if it were not there. One that is not met
 * still counts where it would close something: what others open by time must not outlast that.
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
 * Whether a policy only waits for its device to come from another place. It opens nothing, but the device stays a peer: where
 * it is, nobody but a gateway that has it as a peer can tell.
 */
export const isAwaiting = ({ met, until }: PolicyMatch): boolean => !met && until === null;

export function keyOf(matches: readonly PolicyMatch[]): string {
  return matches.map(({ key }) => key).join(' ');
}

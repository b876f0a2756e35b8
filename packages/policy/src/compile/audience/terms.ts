import type { Outcome } from '../../rules/index.ts';
import type { WorldPolicy } from '../../types.ts';

/** A policy that has something to say to a device or a site now. */
export interface Term {
  /** Equal keys: equal terms. */
  readonly key: string;
  readonly policy: string;
  /** False: its rule is not met, but once it is, the policy closes what others open. */
  readonly met: boolean;
  /** Until when that is sure; null: not changed by time alone. */
  readonly until: number | null;
}

/** Term of a policy that depends on no rule. */
export function plainTerm(policy: string): Term {
  return { key: policy, policy, met: true, until: null };
}

/**
 * Term of a policy whose rule has some outcome, or null when the policy is as if it were not there. One that is not met
 * still counts where it would close something: what others open by time must not outlast that.
 */
export function termOf(policy: WorldPolicy, { met, validUntil: until }: Outcome, awaited: boolean): Term | null {
  const { id } = policy;
  if (met) return { key: until === null ? id : `${id}@${until}`, policy: id, met, until };
  if (policy.type === 'INTERNET' && until !== null) return { key: `${id}?${until}`, policy: id, met, until };
  return awaited && policy.allow ? { key: `${id}~`, policy: id, met, until: null } : null;
}

/**
 * Whether a policy only waits for its device to come from another place. It opens nothing, but the device stays a peer: where
 * it is, nobody but a gateway that has it as a peer can tell.
 */
export const isAwaiting = ({ met, until }: Term): boolean => !met && until === null;

export function keyOf(terms: readonly Term[]): string {
  return terms.map(({ key }) => key).join(' ');
}

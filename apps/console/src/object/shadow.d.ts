import type { Policy } from '@sallyport/contract';
/**
 * Returns the policy above that decides everything this one could decide; null when there is none. Group membership is not
 * looked up, so a policy about one member of a group above is not found.
 */
export declare function shadowOf(policy: Policy, above: readonly Policy[]): Policy | null;

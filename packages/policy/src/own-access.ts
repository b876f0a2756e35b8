import { evaluateAhead } from './ahead.ts';
import { type Walk, walkPolicies } from './evaluate.ts';
import type { AccessQuery } from './types.ts';
import type { World } from './world.ts';

/** A decision as the owner of the device may see it: without policies, and without resources out of reach. */
export interface OwnAccess {
  readonly allowed: boolean;
  /** Sentence fragment for people. */
  readonly reason: string;
  /** Resources that cover the destination; none when it is denied. */
  readonly resources: readonly string[];
  /** First moment at which the decision may change by time alone; null: never. */
  readonly validUntil: number | null;
}

/** Yields null, so that the caller can pause, and at last the decision about a packet of one device. */
export function* ownAccessSteps(world: World, query: AccessQuery & { device: string }): Generator<OwnAccess | null> {
  const device = world.devices.get(query.device);
  if (device !== undefined) yield* evaluateAhead(world, query.at, [device]);
  const walk = walkPolicies(world, query);
  const { verdict } = walk;
  const resources = verdict.allowed ? verdict.resources : [];
  yield { allowed: verdict.allowed, reason: reasonOf(walk), resources, validUntil: verdict.validUntil };
}

/**
 * Returns why. A denial does not tell whether a resource, or a policy of others, is there: else people could list by
 * trial what they may not reach. A condition that is not met shows only to those who would have access with it.
 */
function reasonOf({ verdict, question, walked }: Walk): string {
  if (verdict.allowed) return 'a policy allows it';
  if (question === null || question.internet) return verdict.reason;
  const waits = walked.some(({ judgement }) => judgement.outcome === 'skipped');
  return waits ? 'a condition of this access is not met now' : 'this device has no access to it';
}

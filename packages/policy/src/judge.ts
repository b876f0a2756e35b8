import { isAccessPoint, isWholeInternet, matchesResource } from './matching.ts';
import type { Question } from './question.ts';
import type { Outcome } from './rules/index.ts';
import type { WorldPolicy, WorldResource, WorldRule } from './types.ts';

interface Common {
  /** Why, in a sentence fragment for people. */
  readonly reason: string;
  /** Epoch milliseconds until which this is certain, if a rule was asked; else null. */
  readonly validUntil: number | null;
}

/** The answer of one policy to a question. */
export type Judgement =
  | (Common & { readonly outcome: 'skipped' | 'no-match' })
  | (Common & { readonly outcome: 'denied' /** Reason for the whole decision. */; readonly refusal: string })
  | (Common & {
      readonly outcome: 'allowed';
      readonly resources: readonly string[];
      readonly gateways: readonly string[];
    });

/**
 * Returns the answer of one policy. The rule is null for none and undefined when it is missing. It is asked last,
 * because its outcome matters only where the policy would decide.
 */
export function judge(
  question: Question,
  policy: WorldPolicy,
  rule: WorldRule | null | undefined,
  consult: (rule: WorldRule) => Outcome,
): Judgement {
  if (!question.fromSource(policy)) return noMatch(sourceReason(policy));
  const carried = policy.type === 'INTERNET' ? internetOf(question, policy) : carriedBy(question, policy);
  if ('reason' in carried) return noMatch(carried.reason);
  if (!policy.allow) return denial('it denies this destination', 'a policy denies it');
  const outcome = rule === null ? unconditional : rule === undefined ? never : consult(rule);
  const { validUntil } = outcome;
  if (!outcome.met) return { outcome: 'skipped', reason: 'its admission rule is not met', validUntil };
  if (policy.type === 'INTERNET') {
    const refusal = internetRefusal(question, policy, carried.gateways);
    if (refusal !== null) return denial(refusal, refusal, validUntil);
  }
  return { outcome: 'allowed', reason: 'it allows this destination', ...carried, validUntil };
}

/** Returns which of some gateways are in service, those in MAINTENANCE last. A query can ask about one gateway only. */
function inService({ world, query }: Question, ids: Iterable<string>): string[] {
  const drained = (id: string) => Number(world.gateways.get(id)?.intent === 'MAINTENANCE');
  return [...new Set(ids)]
    .filter((id) => (world.gateways.get(id)?.intent ?? 'OFFLINE') !== 'OFFLINE')
    .filter((id) => query.gateway === undefined || query.gateway === id)
    .sort((a, b) => drained(a) - drained(b));
}

/** Returns why a deciding internet policy keeps a packet away from the gateway; null: it does not. */
function internetRefusal(question: Question, policy: WorldPolicy, gateways: readonly string[]): string | null {
  if (policy.mode === 'RESTRICTED') return 'a policy closes the public internet';
  if (!isAccessPoint(policy)) return "it leaves by the device's own connection";
  if (gateways.length > 0) return null;
  return question.query.gateway === undefined
    ? 'no gateway of the policy is in service'
    : 'the policy sends it through other gateways';
}

const unconditional: Outcome = { met: true, validUntil: null, dueAt: null };
const never: Outcome = { met: false, validUntil: null, dueAt: null };

type Carried = { readonly resources: readonly string[]; readonly gateways: readonly string[] };

function carriedBy(question: Question, policy: WorldPolicy): Carried | { readonly reason: string } {
  const matched = question.targets.filter((resource) => matchesResource(policy, resource));
  if (matched.length === 0) return { reason: 'none of its resources covers this destination, protocol and port' };
  if (!policy.allow) return { resources: ids(matched), gateways: [] };
  const reachable = matched.filter(({ gateways }) => inService(question, gateways).length > 0);
  const gateways = inService(
    question,
    reachable.flatMap((resource) => resource.gateways),
  );
  if (gateways.length > 0) return { resources: ids(reachable), gateways };
  const anywhere = question.query.gateway === undefined;
  return {
    reason: anywhere ? 'no gateway in service carries its resources' : 'its resources are not attached to this gateway',
  };
}

function internetOf(question: Question, policy: WorldPolicy): Carried | { readonly reason: string } {
  if (!question.internet) return { reason: 'the destination is not a public address, or belongs to a resource' };
  const matched = question.targets.filter((resource) => matchesResource(policy, resource));
  if (!isWholeInternet(policy) && matched.length === 0)
    return { reason: 'none of its resources covers this destination, protocol and port' };
  return { resources: ids(matched), gateways: isAccessPoint(policy) ? inService(question, policy.gateways) : [] };
}

function ids(resources: readonly WorldResource[]): string[] {
  return resources.map(({ id }) => id);
}

function sourceReason(policy: WorldPolicy): string {
  return policy.type === 'SITETOSITE' ? 'the address is not among its sources' : 'the device is not among its sources';
}

function noMatch(reason: string): Judgement {
  return { outcome: 'no-match', reason, validUntil: null };
}

function denial(reason: string, refusal: string, validUntil: number | null = null): Judgement {
  return { outcome: 'denied', reason, refusal, validUntil };
}

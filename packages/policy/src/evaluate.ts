import { type Judgement, judge } from './judge.ts';
import { conditionOf } from './matching.ts';
import { earliest } from './moments.ts';
import { type Question, questionOf } from './question.ts';
import { type Outcome, ruleOutcome } from './rules/index.ts';
import type { AccessQuery, Decision, Verdict, WorldPolicy, WorldRule } from './types.ts';
import type { World } from './world.ts';

/**
 * Decides about access. This is the reference: the compiler and the fast path are tested against it. For a device,
 * policies of type PRIVATE are evaluated first, then SAAS, then INTERNET; for a site, policies between sites. Each list
 * is evaluated in order. The first policy that matches source and destination decides. An allow whose rule is not met
 * is skipped.
 */
export function evaluate(world: World, query: AccessQuery): Decision {
  const { verdict, walked } = walkPolicies(world, query);
  const steps = walked.map(({ policy, judgement: { outcome, reason } }) => ({ policy: policy.id, outcome, reason }));
  return { ...verdict, steps };
}

/** A policy with its answer. */
export interface WalkedPolicy {
  readonly policy: WorldPolicy;
  readonly judgement: Judgement;
}

/** A decision with the policies that led to it. */
export interface Walk {
  readonly verdict: Verdict;
  /** The question; null when the query was denied before any policy. */
  readonly question: Question | null;
  /** The policies up to the one that decided. */
  readonly walked: readonly WalkedPolicy[];
}

/** Decides about access, and returns the policies that led to the decision. */
export function walkPolicies(world: World, query: AccessQuery): Walk {
  const question = questionOf(world, query);
  if (typeof question === 'string')
    return {
      verdict: { allowed: false, policy: null, reason: question, validUntil: null },
      question: null,
      walked: [],
    };
  const walked: WalkedPolicy[] = [];
  const consult = (rule: WorldRule) => ruleOutcome(rule, question.inputs, query.at, world.settings.timeZone);
  const verdict = decideBy(question, consult, (policy, judgement) => walked.push({ policy, judgement }));
  return { verdict, question, walked };
}

/** Evaluates the policies of a question until one decides. Calls `tell` for each of them. */
export function decideBy(
  question: Question,
  consult: (rule: WorldRule) => Outcome,
  tell: (policy: WorldPolicy, judgement: Judgement) => void,
): Verdict {
  let validUntil: number | null = null;
  for (const policy of question.policies) {
    const judgement = judge(question, policy, conditionOf(question.world, policy), consult);
    tell(policy, judgement);
    validUntil = earliest(validUntil, judgement.validUntil);
    if (judgement.outcome === 'denied')
      return { allowed: false, policy: policy.id, reason: judgement.refusal, validUntil };
    if (judgement.outcome === 'allowed') {
      const { resources, gateways } = judgement;
      return { allowed: true, policy: policy.id, resources, gateways, validUntil };
    }
  }
  return { allowed: false, policy: null, reason: question.nothing, validUntil };
}

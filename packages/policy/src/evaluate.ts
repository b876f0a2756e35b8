import { type Judgement, judge } from './judge.ts';
import { conditionOf } from './matching.ts';
import { earliest } from './moments.ts';
import { type Question, questionOf } from './question.ts';
import { type Outcome, ruleOutcome } from './rules/index.ts';
import type { AccessQuery, Decision, Verdict, WorldPolicy, WorldRule } from './types.ts';
import type { World } from './world.ts';

/**
 * Reference semantics of access: the compiler and the fast path are tested against it. For a device, policies of type
 * PRIVATE are walked first, then SAAS, then INTERNET, for a site those between sites; each list top-down. The first policy
 * that matches source and destination decides; an allow whose rule is not met is skipped.
 */
export function evaluate(world: World, query: AccessQuery): Decision {
  const { verdict, walked } = walkPolicies(world, query);
  const steps = walked.map(({ policy, judgement: { outcome, reason } }) => ({ policy: policy.id, outcome, reason }));
  return { ...verdict, steps };
}

export interface WalkedPolicy {
  readonly policy: WorldPolicy;
  readonly judgement: Judgement;
}

export interface Walk {
  readonly verdict: Verdict;
  /** What was asked; null when that was settled before any policy. */
  readonly question: Question | null;
  /** The policies up to the one that decides. */
  readonly walked: readonly WalkedPolicy[];
}

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

/** Walks the policies of a question until one decides, and tells of each. */
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

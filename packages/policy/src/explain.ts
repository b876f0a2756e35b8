import { evaluateAhead } from './ahead.ts';
import { type Walk, type WalkedPolicy, walkPolicies } from './evaluate.ts';
import { evaluateRule, type RuleCondition } from './rules/index.ts';
import type { AccessQuery, PolicyStep, Verdict, WorldPolicy } from './types.ts';
import type { World } from './world.ts';

/** A policy that was evaluated, with its answer and its rule. */
export type ExplainedStep = PolicyStep & {
  readonly type: WorldPolicy['type'];
  readonly order: number;
  /** The admission rule that was asked, why it is not met, and until when the outcome is certain. */
  readonly rule?: {
    readonly id: string;
    readonly met: boolean;
    readonly reason: string | null;
    readonly validUntil: number | null;
    readonly conditions: readonly RuleCondition[];
  };
};

/** A gateway that could carry the destination by its resources or by the deciding policy. */
export interface GatewayChoice {
  readonly gateway: string;
  readonly chosen: boolean;
  readonly reason: string;
}

/** A decision with everything that led to it. */
export interface Explanation {
  readonly verdict: Verdict;
  readonly steps: readonly ExplainedStep[];
  readonly gateways: readonly GatewayChoice[];
}

/** Returns the decision of `evaluate` with everything that led to it: the policies up to the one that decided. */
export function explain(world: World, query: AccessQuery): Explanation {
  for (const explanation of explainSteps(world, query)) if (explanation !== null) return explanation;
  throw new Error('explainSteps ended without an explanation');
}

/** Does the same in steps: yields null, so that the caller can pause, and at last the explanation. */
export function* explainSteps(world: World, query: AccessQuery): Generator<Explanation | null> {
  const device = query.device === undefined ? undefined : world.devices.get(query.device);
  if (device !== undefined) yield* evaluateAhead(world, query.at, [device]);
  const walk = walkPolicies(world, query);
  const steps: ExplainedStep[] = [];
  for (const walked of walk.walked) {
    steps.push(stepOf(world, query, walk.question, walked));
    yield null;
  }
  yield { verdict: walk.verdict, steps, gateways: choicesOf(world, walk) };
}

function stepOf(
  world: World,
  query: AccessQuery,
  question: Walk['question'],
  { policy, judgement }: WalkedPolicy,
): ExplainedStep {
  const { id, type, order } = policy;
  const { outcome, reason } = judgement;
  const step = { policy: id, outcome, reason, type, order };
  const rule = world.rules.get(policy.rule);
  if (question === null || outcome === 'no-match' || !policy.allow) return step;
  if (rule === undefined) {
    const reason = 'the rule does not exist';
    return { ...step, rule: { id: policy.rule, met: false, reason, validUntil: null, conditions: [] } };
  }
  const {
    met,
    reason: why,
    validUntil,
    conditions,
  } = evaluateRule(rule, question.inputs, query.at, world.settings.timeZone);
  return { ...step, rule: { id: rule.id, met, reason: why, validUntil, conditions } };
}

function choicesOf(world: World, { verdict, question }: Walk): GatewayChoice[] {
  if (question === null) return [];
  const policy = verdict.policy === null ? undefined : world.policies.get(verdict.policy);
  const ids = policy?.type === 'INTERNET' ? policy.gateways : question.targets.flatMap(({ gateways }) => gateways);
  const carriers = verdict.allowed ? verdict.gateways : [];
  const rest = [...new Set(ids)].filter((id) => !carriers.includes(id));
  return [...carriers, ...rest].map((gateway) => ({
    gateway,
    chosen: gateway === carriers[0],
    reason: choiceReason(world, gateway, carriers),
  }));
}

function choiceReason(world: World, gateway: string, carriers: readonly string[]): string {
  const intent = world.gateways.get(gateway)?.intent;
  if (intent === undefined) return 'it does not exist';
  if (intent === 'OFFLINE') return 'it is set to OFFLINE';
  if (!carriers.includes(gateway)) return 'it does not carry what the deciding policy allows';
  const drained = intent === 'MAINTENANCE';
  if (gateway !== carriers[0])
    return drained ? 'it is in MAINTENANCE: used when no other is left' : 'it comes later in order';
  return drained ? 'it is in MAINTENANCE, but no other is left' : 'it is the first in order that is in service';
}

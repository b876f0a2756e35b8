import assert from 'node:assert/strict';
import type { WorldRule } from '@sallyport/policy';
import { Budget, evaluationSteps } from '../../packages/policy/src/rules/budget.ts';
import { checkRule } from '../../packages/policy/src/rules/check.ts';
import { theEnvironment, variables } from '../../packages/policy/src/rules/environment.ts';
import { evaluateRule } from '../../packages/policy/src/rules/evaluate.ts';
import type { RuleInputs } from '../../packages/policy/src/rules/inputs.ts';
import { ruleOutcome } from '../../packages/policy/src/rules/outcome.ts';
import { Program, zoneOf } from '../../packages/policy/src/rules/program.ts';
import { RuleTime } from '../../packages/policy/src/rules/time.ts';
import { whyUnmet } from '../../packages/policy/src/rules/unmet.ts';
import type { Zone } from '../../packages/policy/src/rules/zone.ts';
import { below, oddText, pick, spoiltText } from './mutate.ts';
import { ruleExpression } from './rule-texts.ts';

/** Name of the target. */
export const name = 'rules';

const zones = ['UTC', 'Europe/Zurich', 'Australia/Lord_Howe', 'Nowhere/None'];

/** Feeds a text as an admission rule, for a user with many attributes. */
export function target(random: () => number): void {
  const source = ruleText(random);
  const at = Date.UTC(2026, below(random, 12), 1 + below(random, 28), below(random, 24), below(random, 60));
  const zone = pick(random, zones);
  const rule: WorldRule = { id: 'r', source, unrestricted: false, timeZone: null };
  const check = checkRule(source);
  if (!check.ok) {
    assert.ok(check.line >= 1 && check.column >= 1 && check.message.length > 0 && check.hint.length > 0);
    assert.deepEqual(ruleOutcome(rule, inputs, at, zone), { met: false, validUntil: null, dueAt: null });
  }
  const { met, validUntil, dueAt } = ruleOutcome(rule, inputs, at, zone);
  if (validUntil !== null) assert.ok(validUntil > at && dueAt !== null && dueAt > at && dueAt <= validUntil);
  const explained = evaluateRule(rule, inputs, at, zone);
  assert.equal(explained.met, met);
  assert.equal(explained.reason === null, met, explained.reason ?? 'no reason');
  assert.ok(whyUnmet(rule, inputs).length > 0);
  evaluateUnchecked(source, at, zoneOf(zone));
}

function ruleText(random: () => number): string {
  const kind = random();
  if (kind < 0.05) return oddText(random);
  const source = ruleExpression(random);
  return kind < 0.6 ? source : spoiltText(random, source).slice(0, 4100);
}

/**
 * Compares the check with the library: a text that the library parses ends with the check's budget or the library's
 * verdict.
 */
function evaluateUnchecked(source: string, at: number, zone: Zone | null): void {
  const time = zone === null ? null : new RuleTime(at, zone);
  const program = programOf(source);
  if (program === null) return;
  const budget = new Budget(evaluationSteps);
  const { met } = program.evaluate(inputs, time, budget);
  // The library may never finish an expensive text.
  if (budget.exhausted) assert.equal(met, false);
  else if (budget.left > evaluationSteps - 2000 && !source.includes('+')) assert.equal(met, plainly(source, time));
}

function programOf(source: string): Program | null {
  try {
    return source.length > 4000 ? null : new Program(source);
  } catch {
    return null;
  }
}

/** Returns the library's verdict without a meter. */
function plainly(source: string, time: RuleTime | null): boolean {
  try {
    return theEnvironment().parse(source)(variables(inputs, time)) === true;
  } catch {
    return false;
  }
}

const inputs: RuleInputs = {
  user: {
    id: 'u',
    email: 'ann@example.com',
    department: 'Engineering',
    attributes: {
      level: 3,
      tags: Array.from({ length: 1000 }, (_, i) => 'ab'.repeat(450) + i),
      text: 'a'.repeat(1000),
      contractor: false,
    },
  },
  groups: Array.from({ length: 300 }, (_, i) => `group ${i}`),
  device: { id: 'd', name: 'laptop', hardwareId: 'h', appVersion: null },
  posture: { compliant: true, os: 'linux', note: 'a'.repeat(1000) },
  source: { ip: '203.0.113.7', country: 'CH' },
};

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { device, rule, settings, user } from '../testing/build.ts';
import { World } from '../world.ts';
import { Budget, Budgets, evaluationSteps, OverBudget } from './budget.ts';
import { checkRule } from './check.ts';
import { evaluateRule } from './evaluate.ts';
import { inputsOf } from './inputs.ts';
import { ruleOutcome } from './outcome.ts';
import { ruleProblem } from './problem.ts';
import { Program, programOf } from './program.ts';
import { whyUnmet } from './unmet.ts';

const at = Date.UTC(2026, 10, 23, 17, 30);
const attributes = { tags: Array.from({ length: 1000 }, (_, i) => 'a'.repeat(900) + i), level: 3 };
const world = World.empty(settings).with([
  { kind: 'user', id: 'u', value: user('u', { department: 'Engineering', attributes }) },
]);
const inputs = inputsOf(world, device('d', { user: 'u' }));

/** Rules of `depth` nested loops. Each loops over one value made from the one before. */
function nested(depth: number, seed: string, next: (value: string) => string, last: (value: string) => string): string {
  let body = last(`v${depth}`);
  for (let i = depth; i > 0; i--) body = `[${next(`v${i - 1}`)}].all(v${i}, ${body})`;
  return `[${seed}].all(v0, ${body})`;
}

/** Compares two deeply nested lists. Each level holds the level below eight times. */
function twins(depth: number): string {
  let body = `v${depth} == w${depth}`;
  const eight = (value: string) => `[[${Array(8).fill(value).join(', ')}]]`;
  for (let i = depth; i > 0; i--) body = `${eight(`v${i - 1}`)}.all(v${i}, ${eight(`w${i - 1}`)}.all(w${i}, ${body}))`;
  return `[[1, 2]].all(v0, [[1, 2]].all(w0, ${body}))`;
}

const list = `[${Array(50).fill(1).join(',')}]`;
const doubling = {
  lists: nested(
    6,
    list,
    (v) => `${v}+${v}`,
    (v) => `size(${v}) > 0`,
  ),
  texts: nested(
    6,
    `'${'a'.repeat(1000)}'`,
    (v) => `${v}+${v}`,
    (v) => `${v}.contains('b')`,
  ),
};

test('a rule that joins lists or texts is refused', () => {
  for (const source of [
    ...Object.values(doubling),
    "user.department + 'x' == 'ax'",
    "user.attributes.level + 'x' == '3x'",
    "'a' + user.attributes.level == 'a3'",
    'size([1] + [2]) == 2',
    "size(b'a' + b'a') == 2",
    "groups.exists(g, g + g == 'aa')",
  ]) {
    const check = checkRule(source);
    assert.ok(!check.ok, source);
    assert.match(check.message, /\+ adds numbers only/, source);
  }
  for (const source of ['user.attributes.level + 1 > 3', '1 + 2 == 3', '1.5 + 2.0 == 3.5', 'time.hour + 1 > 0'])
    assert.deepEqual(checkRule(source), { ok: true }, source);
});

test('a number beyond the integers is refused, and so is a text too deep for the parser', () => {
  assert.ok(!checkRule(`${'9'.repeat(3000)} % 7 == 0`).ok);
  assert.ok(checkRule('user.attributes.level > -9223372036854775808').ok);
  for (const source of [`${'!'.repeat(3990)}true`, `${'-'.repeat(3990)}1 > 0`]) assert.ok(!checkRule(source).ok);
});

test('a join that the check cannot see is an error in the evaluation', () => {
  const source = nested(
    4,
    "dyn('a')",
    (v) => `${v}+${v}`,
    (v) => `size(string(${v})) > 0`,
  );
  assert.deepEqual(checkRule(source), { ok: true });
  const { met, reason } = evaluateRule(rule('r', source), inputs, at, 'UTC');
  assert.deepEqual([met, reason], [false, '+ adds numbers only']);
});

test('a stored rule that is refused today is broken and never met, and its reason says so', () => {
  for (const source of Object.values(doubling)) {
    const stored = rule('r', source);
    assert.deepEqual(ruleOutcome(stored, inputs, at, 'UTC'), { met: false, validUntil: null, dueAt: null });
    for (const reason of [evaluateRule(stored, inputs, at, 'UTC').reason, whyUnmet(stored, inputs)])
      assert.match(reason ?? '', /^the rule is broken: line 1, column \d+: \+ adds numbers only/);
  }
});

const dear = {
  'lists that hold others many times, compared': twins(6),
  'a search that compares each character with each': `user.attributes.tags.exists(t, t.contains('${'a'.repeat(300)}b${'a'.repeat(300)}'))`,
  'an error for each element': `user.attributes.tags.exists(t, ${Array(8).fill("user.attributes.gone == 'x'").join(' || ')})`,
  'texts made small and large': `user.attributes.tags.exists(t, ${Array(8).fill("t.upperAscii().lowerAscii() == 'x'").join(' || ')})`,
  'prefixes read again and again': `user.attributes.tags.exists(t, source.inCidr('10.0.0.0/8', '10.0.0.0/8', '10.0.0.0/8'))`,
};

test('an evaluation of any rule ends with its budget and is then not met', () => {
  for (const [name, source] of Object.entries(dear))
    for (const text of [source, `(${source}) || true`, `!(${source}) || true`, `true || (${source}) || true`]) {
      const program = new Program(text);
      const budget = new Budget(evaluationSteps);
      const { met, reason } = program.evaluate(inputs, null, budget);
      if (text.startsWith('true')) assert.deepEqual([met, budget.exhausted], [true, false], name);
      else {
        assert.ok(budget.exhausted, name);
        assert.equal(met, false, name);
        assert.match(reason ?? '', /needs more than the 50000 steps/, name);
      }
    }
});

test('explain says that a rule went over its budget', () => {
  const source = dear['a search that compares each character with each'];
  assert.deepEqual(checkRule(source), { ok: true });
  const { met, reason, conditions } = evaluateRule(rule('r', source), inputs, at, 'UTC');
  assert.equal(met, false);
  assert.match(reason ?? '', /needs more than the 50000 steps/);
  assert.match(conditions[0]?.reason ?? '', /needs more than/);
  assert.match(whyUnmet(rule('r', source), inputs), /needs more than/);
});

test('steps grow with the work done', () => {
  const steps = (source: string) => {
    const budget = new Budget(evaluationSteps);
    new Program(source).evaluate(inputs, null, budget);
    return evaluationSteps - budget.left;
  };
  assert.ok(steps("user.department == 'x'") < 10);
  assert.ok(steps('[1, 2, 3].all(x, x > 0)') > 3 * 3);
  assert.ok(steps("user.attributes.tags.exists(t, t == 'x')") > 1000);
  assert.ok(steps('has(user.attributes.tags) && size(user.attributes.tags) == 1000') < 20);
  assert.ok(steps('!(1 > 2) ? -1 < 0 : [1][0] == 1') >= 9);
});

test('explaining a rule of many parts takes no more steps, and its values take little room', (t) => {
  const part = "user.attributes.tags.exists(t, t == 'x')";
  const source = Array(30).fill(part).join(' || ');
  assert.match(ruleProblem(source)?.message ?? '', /may take too long/);
  const few = Array(11).fill(part).join(' || ');
  assert.deepEqual(checkRule(few), { ok: true });
  const { conditions } = evaluateRule(rule('r', few), inputs, at, 'UTC');
  assert.equal(conditions.length, 11);
  assert.ok(JSON.stringify(conditions).length < 11 * 6000);
  const told = conditions[0]?.values['user.attributes.tags'] as string[];
  assert.deepEqual([told.length, told.at(-1)], [21, '… and 980 more']);
  assert.ok((programOf(rule('r', few))?.key(inputs).length ?? 1000) < 1000);
  const budgets = new Budgets();
  const given = Array.from({ length: 20 }, () =>
    budgets.spend((budget) => {
      const { left } = budget;
      t.assert.throws(() => budget.take(left + 1), OverBudget);
      return left;
    }),
  );
  assert.deepEqual(given.slice(0, 6), [50_000, 50_000, 50_000, 49_997, 1000, 1000]);
});

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { instant, zoneName } from '../testing/arbitrary.ts';
import { device, rule, settings, user } from '../testing/build.ts';
import { World } from '../world.ts';
import { Budget, evaluationSteps, walkSteps } from './budget.ts';
import { checkRule } from './check.ts';
import { inputsOf } from './inputs.ts';
import { ruleOutcome } from './outcome.ts';
import { Program, zoneOf } from './program.ts';
import { RuleTime } from './time.ts';
import type { Zone } from './zone.ts';

const at = Date.UTC(2026, 10, 23, 17, 30);
const minute = 60_000;
const attributes = { level: 3, tags: Array.from({ length: 400 }, (_, i) => `t${i}`) };
const world = World.empty(settings).with([
  { kind: 'user', id: 'u', value: user('u', { department: 'Engineering', groups: ['a'], attributes }) },
  { kind: 'group', id: 'a', value: { id: 'a', name: 'A' } },
]);
const inputs = inputsOf(world, device('d', { user: 'u', country: 'CH' }));
const numbers = `[${Array.from({ length: 240 }, (_, i) => i).join()}]`;

/** Rules that read the time in all possible ways, some at high cost. */
const sources = [
  'time.minute in [0, 15, 16, 59] || 30 == time.minute',
  'time.hour >= 8 && time.minute < 30',
  "time['hour'] == 9 || time.hour == 17",
  '[time].exists(t, t.minute % 7 == 0)',
  'time.hour % 2 == 0 || time.minute == time.hour',
  'time.minute != 5 && -1 < time.minute && time.hour < 100',
  "time.between('08:00', '17:31') || time.onWeekdays(['SA'])",
  "['08:00', '09:30'].exists(t, time.between(t, '10:00'))",
  "time.after('2026-03-29T02:30') && !time.before('2026-04-01') || time.before('2027-01-01T12:00')",
  "time.before('1999-12-31') || time.after('9999-01-01') || time.hour != 3",
  `${numbers}.all(x, x != time.minute + 200 && x != time.minute * 7)`,
  "user.attributes.tags.exists(t, size(t) == 1 && t != 'x') || time.minute < 50",
  "user.attributes.tags.exists_one(t, t == 't' || time.minute == 7 && t == 't7')",
  "user.attributes.tags.all(t, t != 't7' || time.minute != 7)",
  "groups.exists(time, time == 'A') && time.minute < 30",
  'user.attributes.missing == 1 || time.minute > 10',
  `posture.missing == 1 && time.hour > 3 || device.id != '' && time.minute >= 58`,
];

test('an outcome holds at each minute up to validUntil, however the rule reads the time', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...sources),
      zoneName,
      instant,
      fc.array(fc.nat(3000), { minLength: 40, maxLength: 40 }),
      (source, name, from, minutes) => {
        assert.deepEqual(checkRule(source), { ok: true }, source);
        const zone = zoneOf(name) as Zone;
        const program = new Program(source);
        const truth = (moment: number) => program.evaluate(inputs, new RuleTime(moment, zone)).met;
        const { met, validUntil, dueAt } = ruleOutcome(rule('r', source), inputs, from, name);
        assert.equal(truth(from), met);
        const end = validUntil ?? Number.POSITIVE_INFINITY;
        assert.ok(end > from && (dueAt ?? end) <= end);
        for (const moment of [...minutes.map((n) => from + n * minute), end - 1])
          if (moment < end && Number.isFinite(moment))
            assert.equal(truth(moment), met, `${source} ${name} ${new Date(moment).toISOString()}`);
      },
    ),
    { numRuns: 600 },
  );
});

/** Counts the steps of all evaluations. */
function counted(t: TestContext): { steps: number } {
  const count = { steps: 0 };
  const take = Budget.prototype.take;
  Budget.prototype.take = function (steps) {
    if (Number.isFinite(steps)) count.steps += steps;
    take.call(this, steps);
  };
  t.after(() => {
    Budget.prototype.take = take;
  });
  return count;
}

test('a look ahead of any rule stays within its steps', (t) => {
  const count = counted(t);
  for (const source of [
    ...sources,
    `time.minute >= 0 && device.id != '' && ${numbers}.all(x, x >= 0 && x < 1000 && x != 500)`,
    `${numbers}.all(x, x != 500 && x < time.minute + 1000)`,
    `${numbers}.all(x, ${numbers.slice(0, 20)}].all(y, x + y != time.minute + 1000))`,
    `${Array(40).fill("time.between('08:00', '09:00')").join(' || ')} || time.minute > 60`,
    `time.minute < 60 && user.attributes.tags.all(t, '${'a'.repeat(1500)}'.contains(t + string(time.minute)))`,
  ]) {
    count.steps = 0;
    ruleOutcome(rule('r', source), inputs, at, 'UTC');
    assert.ok(count.steps <= walkSteps + 3 * evaluationSteps, `${count.steps} ${source}`);
  }
});

test('devices that a rule cannot tell apart share one look ahead', (t) => {
  const count = counted(t);
  const source = `device.id != '' && ${numbers}.all(x, x != 500 && x < time.minute + 1000)`;
  assert.deepEqual(checkRule(source), { ok: true });
  const one = rule('r', source);
  ruleOutcome(one, inputsOf(world, device('first')), at, 'UTC');
  const first = count.steps;
  for (let i = 0; i < 100; i++) ruleOutcome(one, inputsOf(world, device(`d${i}`)), at, 'UTC');
  assert.ok(count.steps < 2 * first, `${count.steps} of all, ${first} of the first`);
  const closed = ruleOutcome(one, inputsOf(world, device('')), at, 'UTC');
  assert.equal(closed.met, false);
});

test('when a look ahead runs out of steps, access ends where it stopped looking', () => {
  const dear = `user.attributes.tags.all(t, !'${'a'.repeat(700)}'.contains(t) && time.minute % 2 >= 0)`;
  assert.deepEqual(checkRule(dear), { ok: true });
  const open = ruleOutcome(rule('r', dear), inputs, at, 'UTC');
  assert.equal(open.met, true);
  assert.ok(open.validUntil !== null && open.validUntil <= at + 10 * minute, `${open.validUntil}`);
  const over = dear.replace(/a{700}/, 'a'.repeat(1500));
  const closed = ruleOutcome(rule('r', over), inputs, at, 'UTC');
  assert.deepEqual(closed, { met: false, validUntil: at + 30 * minute, dueAt: at + 30 * minute });
});

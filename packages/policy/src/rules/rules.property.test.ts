import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { instant, ruleSource, zoneName } from '../testing/arbitrary.ts';
import { assertUntil } from '../testing/assert-until.ts';
import { device, rule, settings, user } from '../testing/build.ts';
import { World } from '../world.ts';
import { evaluateRule } from './evaluate.ts';
import { inputsOf, siteInputs } from './inputs.ts';
import { ruleOutcome } from './outcome.ts';
import { RuleTime } from './time.ts';
import { Zone } from './zone.ts';

const day = 86_400_000;

const inputs = inputsOf(
  World.empty(settings).with([
    { kind: 'user', id: 'u', value: user('u', { department: 'Engineering', groups: ['a'] }) },
    { kind: 'group', id: 'a', value: { id: 'a', name: 'A' } },
  ]),
  device('d', { user: 'u', posture: { compliant: true }, country: 'CH' }),
);

test('an outcome holds up to validUntil and changes then, across clock changes too', () => {
  let [changed, far] = [0, 0];
  assertUntil(
    () => changed > 500 && far > 10,
    fc.property(
      ruleSource,
      zoneName,
      instant,
      fc.array(fc.double({ min: 0, max: 1, noNaN: true })),
      (source, zone, at, parts) => {
        const { met, validUntil } = ruleOutcome(rule('r', source), inputs, at, zone);
        const end = validUntil ?? at + 400 * day;
        assert.ok(end > at);
        for (const part of [...parts, 0.5, 1 - Number.EPSILON]) {
          const moment = Math.min(end - 1, Math.floor(at + part * (end - at)));
          assert.equal(
            ruleOutcome(rule('r', source), inputs, moment, zone).met,
            met,
            `${source} ${zone} ${new Date(moment).toISOString()}`,
          );
        }
        if (validUntil === null) return;
        if (ruleOutcome(rule('r', source), inputs, validUntil, zone).met !== met) changed++;
        else {
          far++;
          assert.ok(validUntil - at >= (source.includes('minute') ? day : 8 * day), 'only given up when far away');
        }
      },
    ),
    { numRuns: 1500 },
  );
  assert.ok(changed > 500 && far > 10, `${changed} changed, ${far} not in sight`);
});

test('validUntil does not depend on the moment of the question while the outcome holds', () => {
  fc.assert(
    fc.property(
      ruleSource,
      zoneName,
      instant,
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (source, zone, at, part) => {
        const first = ruleOutcome(rule('r', source), inputs, at, zone);
        if (first.dueAt === null) return;
        const later = Math.floor(at + part * (first.dueAt - at));
        assert.deepEqual(ruleOutcome(rule('r', source), inputs, later, zone), first);
      },
    ),
    { numRuns: 1500 },
  );
});

test('the wall clock agrees with Intl at any moment in any zone', () => {
  const zones = new Map<string, Zone>();
  const anyZone = fc.constantFrom(...Intl.supportedValuesOf('timeZone'));
  const moment = fc.oneof(instant, fc.integer({ min: Date.UTC(2020, 0), max: Date.UTC(2040, 0) }));
  fc.assert(
    fc.property(anyZone, moment, (name, at) => {
      const zone = zones.get(name) ?? new Zone(name);
      zones.set(name, zone);
      const time = new RuleTime(at, zone);
      const format = new Intl.DateTimeFormat('sv-SE', { timeZone: name, dateStyle: 'short', timeStyle: 'short' });
      const [date, clock] = format.format(at).split(' ');
      const two = (n: bigint) => `${n}`.padStart(2, '0');
      assert.deepEqual([time.date, `${two(time.hour)}:${two(time.minute)}`], [date, clock]);
      const transition = zone.nextTransition(at);
      if (transition === Number.POSITIVE_INFINITY) return;
      assert.equal(zone.offset(transition - 1), zone.offset(at));
      assert.notEqual(zone.offset(transition), zone.offset(at));
    }),
    { numRuns: 3000 },
  );
});

test('firstAt returns the first moment at which the wall clock has reached a local time', () => {
  fc.assert(
    fc.property(zoneName, instant, (name, local) => {
      const zone = new Zone(name);
      const first = zone.firstAt(local);
      const wall = (at: number) => at + zone.offset(at);
      assert.ok(wall(first) >= local);
      for (const before of [1, 60_000, 1_800_000, 3_600_000, 7_200_000]) assert.ok(wall(first - before) < local);
    }),
    { numRuns: 500 },
  );
});

test('the parts of a rule, joined, have the outcome of the whole rule', () => {
  fc.assert(
    fc.property(ruleSource, zoneName, instant, fc.boolean(), (source, zone, at, known) => {
      const result = evaluateRule(rule('r', source), known ? inputs : siteInputs, at, zone);
      assert.equal(result.met, result.reason === null);
      for (const { met, reason } of result.conditions) assert.equal(met, reason === undefined);
      if (result.conditions.every(({ met }) => met)) assert.ok(result.met);
      if (result.conditions.every(({ met }) => !met)) assert.ok(!result.met);
    }),
    { numRuns: 1000 },
  );
});

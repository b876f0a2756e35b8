import assert from 'node:assert/strict';
import { test } from 'node:test';
import { device, rule, settings, user } from '../testing/build.ts';
import { World } from '../world.ts';
import { checkRule } from './check.ts';
import { evaluateRule } from './evaluate.ts';
import { inputsOf, siteInputs } from './inputs.ts';
import { ruleOutcome } from './outcome.ts';
import { whyUnmet } from './unmet.ts';

const at = Date.UTC(2026, 10, 23, 17, 30);
const attributes = { level: 3, tags: ['x', 'y'], contractor: false, left: null };
const world = World.empty(settings).with([
  { kind: 'user', id: 'u', value: user('u', { department: 'Engineering', groups: ['a', 'gone'], attributes }) },
  { kind: 'user', id: 'v', value: user('v') },
  { kind: 'group', id: 'a', value: { id: 'a', name: 'Admins' } },
]);
const own = { user: 'u', posture: { compliant: true, os: 'linux' }, sourceIp: '203.0.113.7', country: 'CH' };
const inputs = inputsOf(world, device('d', own));

function result(source: string, given = inputs, zone = 'UTC') {
  assert.deepEqual(checkRule(source), { ok: true }, source);
  return evaluateRule(rule('r', source), given, at, zone);
}

const problem = (source: string) => {
  const checked = checkRule(source);
  assert.ok(!checked.ok, source);
  return checked;
};

test('rules with true conditions are met', () => {
  for (const source of [
    "user.department == 'Engineering'",
    "user.email.endsWith('@example.com')",
    'user.attributes.level >= 3',
    "'x' in user.attributes.tags",
    'user.attributes.contractor == false',
    "'Admins' in groups && !('Guests' in groups)",
    "groups.exists(g, g.startsWith('Adm'))",
    "device.name == 'd' && device.hardwareId == 'hw-d'",
    "posture.compliant == true && posture.os in ['linux', 'macos']",
    "source.inCidr('203.0.113.0/24')",
    "source.inCidr(['10.0.0.0/8', '203.0.113.7'])",
    "!source.inCidr('10.0.0.0/8', 'fd00::/8')",
    "source.inCountry('CH', 'DE') && source.inCountry(['CH']) && source.country == 'CH'",
    "time.between('08:00', '18:00') && time.weekday == 'MO' && time.onWeekdays(['MO', 'TU'])",
    "time.between('17:30', '24:00') && !time.between('08:00', '17:30') && time.between('22:00', '17:31')",
    "time.hour == 17 && time.minute == 30 && time.date == '2026-11-23'",
    "time.before('2026-12-24T18:00') && time.after('2026-11-23') && time.after('2026-11-23T17:30')",
  ])
    assert.equal(result(source).met, true, source);
});

test('a condition about an unknown value or another type is not met, and says so', () => {
  const cases: [string, RegExp][] = [
    ["user.attributes.missing == 'x'", /user\.attributes\.missing is not known/],
    ["user.attributes.left == 'x'", /user\.attributes\.left is not known/],
    ["device.appVersion == '1'", /device\.appVersion is not known/],
    ['user.attributes.level.startsWith("a")', /./],
    ['user.attributes.constructor == 1', /is not known/],
  ];
  for (const [source, reason] of cases) {
    const { met, reason: why } = result(source);
    assert.equal(met, false, source);
    assert.match(why ?? '', reason, source);
  }
  const nobody = inputsOf(world, device('d'));
  for (const source of ["user.department == 'Engineering'", "!('Guests' in groups)", "source.inCountry('CH')"])
    assert.equal(result(source, nobody).met, false, source);
  assert.match(result("!source.inCountry('CH')", nobody).reason ?? '', /source\.country is not known/);
  assert.match(result("source.inCidr('10.0.0.0/8')", nobody).reason ?? '', /source\.ip is not known/);
  assert.match(result("user.department == 'x'", inputsOf(world, device('d', { user: 'v' }))).reason ?? '', /not known/);
  assert.equal(result('device.id == "d"', siteInputs).met, false);
});

test('a zone that does not exist leaves the time unknown', () => {
  assert.match(result('time.hour == 17', inputs, 'Europe/Nowhere').reason ?? '', /time is not known/);
});

test('the zone of the rule takes precedence over the zone of the tenant', () => {
  const source = 'time.hour == 18';
  assert.equal(result(source, inputs, 'Europe/Zurich').met, true);
  const own = rule('r', source, { timeZone: 'Europe/London' });
  assert.equal(evaluateRule(own, inputs, at, 'Europe/Zurich').met, false);
});

test('validUntil is the end of the window, of the weekend, or never', () => {
  const until = (source: string, zone = 'UTC') => {
    const { validUntil } = result(source, inputs, zone);
    return validUntil === null ? null : new Date(validUntil).toISOString();
  };
  assert.equal(until("time.between('08:00', '18:00')"), '2026-11-23T18:00:00.000Z');
  assert.equal(until("time.between('08:00', '18:00')", 'Europe/Zurich'), '2026-11-24T07:00:00.000Z');
  assert.equal(until("time.weekday in ['SA', 'SU']"), '2026-11-28T00:00:00.000Z');
  assert.equal(until("time.before('2026-11-24T09:15')"), '2026-11-24T09:15:00.000Z');
  assert.equal(until("time.before('2026-11-20')"), null);
  assert.equal(until("user.department == 'Sales' && time.hour < 20"), null);
  assert.equal(until("user.department == 'Engineering' && time.hour < 20"), '2026-11-23T20:00:00.000Z');
});

test('the conditions of a rule tell what each part read and found', () => {
  const { conditions, met } = result(
    "user.department == 'Sales' && (time.between('08:00', '18:00') || source.inCountry('DE'))",
  );
  assert.equal(met, false);
  assert.deepEqual(
    conditions.map(({ expression, met, values }) => [expression, met, values]),
    [
      ['user.department == "Sales"', false, { 'user.department': 'Engineering' }],
      ['time.between("08:00", "18:00")', true, { time: 'MO 2026-11-23T17:30' }],
      ['source.inCountry("DE")', false, { 'source.country': 'CH' }],
    ],
  );
});

test('an invalid rule is refused with line, column and a hint', () => {
  const cases: [string, number, number, RegExp, RegExp][] = [
    ['user.department == ', 1, 20, /EOF/, /A rule is a condition/],
    ["user.department == 'a' &&\n  usr.email == 'b'", 2, 3, /usr/, /Variables are user, groups/],
    ['true &&\n user.name == "x"', 2, 7, /name/, /user: id, email, department, attributes/],
    ['user.email', 1, 1, /must be true or false, this one gives string/, /comparison/],
    ['posture.compliant', 1, 1, /gives dyn/, /== true/],
    ['user.email == 1', 1, 1, /string == int/, /same type/],
    ["time.between('08:00')", 1, 1, /between/, /time\.between\('08:00', '18:00'\)/],
    ["time.between('8:00', '18:00')", 1, 14, /'08:30'/, /time\.between/],
    ["source.inCidr('10.0.0.0/8', '10.0.0.300')", 1, 29, /10\.0\.0\.300/, /inCidr/],
    ["source.inCountry(['CH', 'Germany'])", 1, 25, /Germany/, /inCountry/],
    ["time.onWeekdays('MON')", 1, 17, /MON/, /onWeekdays/],
    ["time.before('2026-02-30')", 1, 13, /2026-02-30/, /before/],
  ];
  for (const [source, line, column, message, hint] of cases) {
    const found = problem(source);
    assert.deepEqual([found.line, found.column], [line, column], `${source}: ${found.message}`);
    assert.match(found.message, message, source);
    assert.match(found.hint, hint, source);
  }
});

test('a rule with unbounded cost is refused', () => {
  const list = `[${Array(251).fill("'a'").join()}]`;
  const nested = 'groups.exists(a, groups.exists(b, a == b))';
  const wide = Array(30).fill("groups.exists(a, a == 'x')").join(' || ');
  for (const source of [
    `'${'x'.repeat(4000)}' == ''`,
    `'a' in ${list}`,
    nested,
    wide,
    `${'('.repeat(60)}true${')'.repeat(60)}`,
    "user.email.matches('(a+)+$')",
    'groups.map(g, g + g).size() > 1',
    "cel.bind(a, user.email + user.email, a == '')",
    "timestamp('2026-01-01T00:00:00Z').getHours() == 1",
  ]) {
    const found = problem(source);
    assert.ok(found.hint.length > 0, source);
  }
});

test('the most expensive valid rule takes a fraction of a millisecond', () => {
  const source = `[${Array(60).fill("'a'").join()}].all(a, ${Array(20).fill("a != 'b'").join(' && ')})`;
  assert.deepEqual(checkRule(source), { ok: true });
  assert.ok(!checkRule(source.replace("['a'", `[${Array(40).fill("'a'").join()}`)).ok);
  const dear = rule('r', source);
  evaluateRule(dear, inputs, at, 'UTC');
  const runs = 200;
  const from = process.cpuUsage();
  for (let run = 0; run < runs; run++) ruleOutcome(dear, inputs, at, 'UTC');
  const { user: cpu, system } = process.cpuUsage(from);
  assert.ok((cpu + system) / runs < 2000, `${(cpu + system) / runs} µs`);
});

test('a rule whose text does not parse is never met', () => {
  const { met, reason } = evaluateRule(rule('r', 'user.'), inputs, at, 'UTC');
  assert.equal(met, false);
  assert.match(reason ?? '', /^the rule is broken: line 1, column 6: .*EOF/);
});

test('the parts of any rule are shown, even if their text cannot be parsed again', () => {
  const { met, conditions } = result('double(user.attributes.level) < 1e308 && 1e-7 < 1.0 && time.hour > 3');
  assert.equal(met, true);
  assert.deepEqual(
    conditions.map(({ met }) => met),
    [true, true, true],
  );
  assert.match(whyUnmet(rule('r', 'user.attributes.level > 1e308 && time.hour > 3'), inputs), /is not true/);
});

test('an IPv4-mapped source address or prefix counts as IPv4', () => {
  const mapped = inputsOf(world, device('d', { ...own, sourceIp: '::ffff:cb00:7107' }));
  for (const given of [inputs, mapped])
    for (const prefix of ['203.0.113.0/24', '::ffff:203.0.113.0/120', '::FFFF:cb00:7107'])
      assert.equal(result(`source.inCidr('${prefix}')`, given).met, true, prefix);
  assert.equal(result("source.inCidr('::/0')", mapped).met, false, 'IPv6 prefixes hold no IPv4 source');
});

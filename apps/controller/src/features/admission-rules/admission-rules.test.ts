import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertRefused, lastChanges, makers, revisionOf } from '../../testing/api.ts';
import { openTestApp } from '../../testing/harness.ts';

const path = '/tenants/admission-rules';
const missing = '11111111-2222-4333-8444-555555555555';
const engineering = "user.department == 'Engineering'";

test('a tenant starts with the built-in rule, which cannot be changed', async (t) => {
  const app = await openTestApp(t);
  const [rule, ...others] = (await app.request('GET', path)).json;
  const { id, createdAt, updatedAt, ...rest } = rule;
  assert.deepEqual(
    [others, rest],
    [[], { name: 'Admission without Restrictions', type: 'ALLOW', hasTimeConstraint: false }],
  );
  assert.deepEqual((await app.request('GET', `${path}/${id}`)).json, rule);
  const body = { name: 'x', rule: 'true', hasTimeConstraint: false };
  await assertRefused(app, ['PUT', `${path}/${id}`, { body }], 409, 'built_in');
  await assertRefused(app, ['DELETE', `${path}/${id}`], 409, 'built_in');
});

test('a rule is created, changed and deleted', async (t) => {
  const app = await openTestApp(t);
  const made = await makers(app).rule('Engineers', engineering, { timeZone: 'Europe/Zurich' });
  const { id, createdAt, updatedAt, ...rest } = made;
  const written = { name: 'Engineers', rule: engineering, hasTimeConstraint: false, timeZone: 'Europe/Zurich' };
  assert.deepEqual(rest, { ...written, type: 'CUSTOM' });
  const url = `${path}/${id}`;
  const before = await revisionOf(app);
  const same = await app.request('PUT', url, { body: made });
  assert.deepEqual([same.json, same.headers.etag, await revisionOf(app)], [made, '"1"', before]);

  app.clock.now += 1000;
  const body = {
    name: 'Office hours',
    rule: "time.between('08:00', '18:00')",
    hasTimeConstraint: true,
    timeZone: null,
  };
  const changed = await app.request('PUT', url, { body });
  assert.equal(changed.status, 200, changed.text);
  assert.deepEqual(
    [
      changed.json.name,
      changed.json.rule,
      changed.json.hasTimeConstraint,
      'timeZone' in changed.json,
      changed.headers.etag,
    ],
    [body.name, body.rule, true, false, '"2"'],
  );
  assert.notEqual(changed.json.updatedAt, updatedAt);
  assert.deepEqual(await lastChanges(app), ['updateAdmissionRule: admission-rule']);
  await assertRefused(app, ['PUT', url, { body, headers: { 'if-match': '"1"' } }], 412, 'precondition_failed');
  assert.deepEqual((await app.request('GET', path)).json.length, 2);
  assert.equal((await app.request('DELETE', url)).status, 204);
  await assertRefused(app, ['GET', url], 404, 'not_found');
});

test('a wrong rule is refused with line, column and a hint', async (t) => {
  const app = await openTestApp(t);
  const { id } = await makers(app).rule('Engineers', engineering);
  const attempts: [rule: string, line: number, column: number, message: RegExp][] = [
    [`${engineering} &&\n  user.salary > 3`, 2, 3, /salary/],
    ['user.department ==', 1, 1, /./],
    ['user.department', 1, 1, /must be true or false/],
    ["source.inCidr('10.0.0.0/33')", 1, 15, /10\.0\.0\.0\/33/],
  ];
  for (const [rule, line, , message] of attempts)
    for (const [method, url] of [
      ['POST', path],
      ['PUT', `${path}/${id}`],
    ] as const) {
      const body = { name: 'x', rule, hasTimeConstraint: false };
      await assertRefused(app, [method, url, { body }], 400, 'invalid_rule', ['/rule']);
      const { detail, errors } = (await app.request(method, url, { body })).json;
      const [error] = errors;
      assert.equal(error.line, line, `${rule}: ${detail}`);
      assert.ok(Number.isInteger(error.column) && error.column >= 1 && error.hint.length > 0, detail);
      assert.match(error.message, message);
      assert.ok(
        detail.startsWith(`line ${error.line}, column ${error.column}: `) && detail.includes(error.hint),
        detail,
      );
    }
  const zone = { name: 'x', rule: 'true', hasTimeConstraint: false, timeZone: 'Zurich' };
  await assertRefused(app, ['POST', path, { body: zone }], 400, 'invalid_request', ['/timeZone']);
});

test('a rule that policies have is not deleted, and they are named', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  const rule = await make.rule('Engineers', engineering);
  const policies = [
    await make.policy('Staff', { rule: rule.id }),
    await make.policy('Mail', { type: 'SAAS', rule: rule.id }),
  ];
  await assertRefused(app, ['DELETE', `${path}/${rule.id}`], 409, 'in_use');
  const { detail } = (await app.request('DELETE', `${path}/${rule.id}`)).json;
  for (const { id, name } of policies) assert.ok(detail.includes(`"${name}" (${id})`), detail);
  for (const { id } of policies) assert.equal((await app.request('DELETE', `/tenants/policies/${id}`)).status, 204);
  const plan = await app.request('DELETE', `${path}/${rule.id}?dry-run=true`);
  assert.deepEqual(plan.json.changes, [{ action: 'delete', kind: 'admission-rule', id: rule.id, name: 'Engineers' }]);
  assert.equal((await app.request('DELETE', `${path}/${rule.id}`)).status, 204);
});

test('rules of others, and those that are not there, are not found', async (t) => {
  const app = await openTestApp(t);
  const { id } = await makers(app).rule('Engineers', engineering);
  const body = { name: 'x', rule: 'true', hasTimeConstraint: false };
  for (const [url, key] of [
    [`${path}/${missing}`, app.tenant.key],
    [`${path}/${id}`, app.other.key],
  ] as const) {
    await assertRefused(app, ['GET', url, { key }], 404, 'not_found');
    await assertRefused(app, ['PUT', url, { key, body }], 404, 'not_found');
    await assertRefused(app, ['DELETE', url, { key }], 404, 'not_found');
  }
  assert.equal((await app.request('GET', path, { key: app.other.key })).json.length, 1);
});

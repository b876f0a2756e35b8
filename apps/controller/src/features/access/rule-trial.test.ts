import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RequestBody, RuleTrial } from '@sallyport/contract';
import { assertRefused, makers, revisionOf } from '../../testing/api.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';

const path = '/tenants/admission-rules/try';
const missing = '11111111-2222-4333-8444-555555555555';

async function tried(app: TestApp, body: RequestBody<'tryAdmissionRule'>): Promise<RuleTrial> {
  const answer = await app.request('POST', path, { body });
  assert.equal(answer.status, 200, answer.text);
  return answer.json;
}

test('a rule is evaluated for a device and for a user, with the values that it reads', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  const anna = await make.user('anna@example.com');
  await app.request('PUT', `/tenants/users/${anna.id}`, { body: { department: 'Engineering' } });
  const device = await make.device('laptop', { user: anna.id });
  const rule = "user.department == 'Engineering' && posture.diskEncrypted == true";
  const { result } = await tried(app, { rule, device: device.id });
  assert.equal(result?.met, false);
  assert.deepEqual(
    result?.conditions.map(({ met, values }) => [met, values]),
    [
      [true, { 'user.department': 'Engineering' }],
      [false, { 'posture.diskEncrypted': null }],
    ],
  );
  await app.request('PATCH', `/tenants/devices/${device.id}`, {
    body: { name: 'laptop', posture: { diskEncrypted: true } },
  });
  assert.equal((await tried(app, { rule, device: device.id })).result?.met, true);
  assert.equal((await tried(app, { rule, user: anna.id })).result?.met, false, 'nothing is known about a new device');
});

test('a rule about the time is evaluated for another moment and zone', async (t) => {
  const app = await openTestApp(t);
  const { id: device } = await makers(app).device('laptop');
  const rule = "time.between('08:00', '18:00')";
  const at = '2026-01-15T17:30:00Z';
  const { result } = await tried(app, { rule, device, at, timeZone: 'UTC' });
  assert.deepEqual([result?.met, result?.at], [true, '2026-01-15T17:30:00.000Z']);
  assert.equal(result?.validUntil, '2026-01-15T18:00:00.000Z');
  assert.equal((await tried(app, { rule, device, at, timeZone: 'Europe/Zurich' })).result?.met, false);
});

test('a wrong text is answered with its position, and nothing is stored', async (t) => {
  const app = await openTestApp(t);
  const before = await revisionOf(app);
  const { problem, result } = await tried(app, { rule: "user.department == 'x' &&\n  user.salary > 3" });
  assert.deepEqual([problem?.line, problem?.column, result], [2, 8, undefined]);
  assert.match(problem?.hint ?? '', /Fields are/);
  assert.deepEqual(await tried(app, { rule: 'true' }), {}, 'a valid rule without a device has no result');
  assert.deepEqual(
    [(await app.request('GET', '/tenants/admission-rules')).json.length, await revisionOf(app)],
    [1, before],
  );
});

test('a device or a user of the tenant is named, and not both', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  const [device, user] = [await make.device('laptop'), await make.user('anna@example.com')];
  const refuse = (body: object, code: Parameters<typeof assertRefused>[3], pointer: string, key = app.tenant.key) =>
    assertRefused(app, ['POST', path, { key, body: { rule: 'true', ...body } }], 400, code, [pointer]);
  await refuse({ device: missing }, 'invalid_reference', '/device');
  await refuse({ user: missing }, 'invalid_reference', '/user');
  await refuse({ device: device.id, user: user.id }, 'invalid_request', '/user');
  await refuse({ device: device.id }, 'invalid_reference', '/device', app.other.key);
  await refuse({ rule: 'x'.repeat(4001) }, 'invalid_request', '/rule');
});

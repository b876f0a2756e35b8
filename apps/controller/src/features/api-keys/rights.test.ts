import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Operation,
  type OperationName,
  operations,
  type RoleType,
  rightsOfKey,
  rightsOfRole,
} from '@sallyport/contract';
import { issueApiKey } from '../../objects/api-keys/keys.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';
import { makeSample, samplePath, validBody } from '../../testing/sample.ts';

/** Operations that need a key or a session. */
const entries = (Object.entries(operations) as [OperationName, Operation][]).flatMap(([name, operation]) =>
  operation.right === null ? [] : [[name, operation, operation.right] as const],
);
const roles = Object.keys(rightsOfRole) as RoleType[];

/** A key of any role, also of those that the API gives to no key. */
const keyOf = (app: TestApp, role: RoleType): Promise<string> => {
  const actor = { kind: 'system', id: null, name: 'test' } as const;
  const context = { tenant: app.tenant.id, actor, action: 'test', sourceIp: null, requestId: null };
  return app.store.write(context, async (tx) => (await issueApiKey(tx, { name: role, role, expiresAt: null })).key);
};

for (const role of roles)
  test(`a key of the role ${role} may call exactly what its rights say`, async (t) => {
    const app = await openTestApp(t);
    const sample = await makeSample(app);
    const key = await keyOf(app, role);
    for (const [name, operation, right] of entries) {
      if (rightsOfKey(role).includes(right)) continue;
      const body = validBody(name, sample);
      const answer = await app.request(operation.method, samplePath(operation.path, sample), {
        key,
        ...(body && { body }),
      });
      assert.deepEqual([answer.status, answer.json.code], [403, 'forbidden'], `${name} by ${role}: ${answer.text}`);
      const named = right === 'self' ? /belongs to no person/ : new RegExp(`"${right}"`);
      assert.match(answer.json.detail, named, 'the missing right is named');
    }
    for (const [name, operation, right] of entries) {
      if (!rightsOfKey(role).includes(right) || operation.stream === 'sse') continue;
      // What does not exist is not found, and a body is only looked at by who may write it: nothing is used up.
      const nobody = samplePath(operation.path, sample).replaceAll(/[0-9a-f-]{36}/g, missing);
      const { status, text } = await app.request(operation.method, nobody, { key, body: { nonsense: true } });
      assert.ok(status !== 403 && status !== 401 && status < 500, `${name} by ${role}: ${status} ${text}`);
    }
  });

const missing = '11111111-2222-4333-8444-555555555555';

test('plain users and billing may only manage their own account, and their keys nothing', () => {
  for (const role of ['BILLING', 'BASIC', 'DEFAULT'] as const) {
    assert.deepEqual(rightsOfRole[role], ['self']);
    assert.deepEqual(rightsOfKey(role), []);
  }
});

test('a lower role has no right that a higher role lacks', () => {
  for (const role of roles)
    for (const right of rightsOfRole[role]) assert.ok(rightsOfRole.OWNER.includes(right), `${role}: ${right}`);
  assert.ok(!rightsOfRole.ADMIN.includes('own'), 'keys and owners are for the owner');
  for (const role of ['AUDITOR', 'SUPPORT'] as const)
    for (const right of ['write', 'deploy', 'own'] as const) assert.ok(!rightsOfRole[role].includes(right), role);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertRefused } from '../../testing/api.ts';
import { openTestApp } from '../../testing/harness.ts';

const path = '/tenants/admission-rules';

test('the rule that admits everybody is there from the start', async (t) => {
  const app = await openTestApp(t);
  const { status, json } = await app.request('GET', path);
  assert.equal(status, 200);
  const [{ id, createdAt, updatedAt, ...rule }, ...others] = json;
  assert.deepEqual(
    [rule, others],
    [{ name: 'Admission without Restrictions', type: 'ALLOW', hasTimeConstraint: false }, []],
  );
  assert.deepEqual((await app.request('GET', `${path}/${id}`)).json, json[0]);
  await assertRefused(app, ['GET', `${path}/${id}`, { key: app.other.key }], 404, 'not_found');
  await assertRefused(app, ['GET', `${path}/nonsense`], 400, 'invalid_request', ['path/id']);
});

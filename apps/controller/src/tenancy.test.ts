import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DryRun, type Operation, type OperationName, operations } from '@sallyport/contract';
import { acceptInvitation } from './testing/browser.ts';
import { openTestApp, type TestApp } from './testing/harness.ts';
import { makeSample, samplePath, validBody } from './testing/sample.ts';
import { mailBy, startSmtp } from './testing/smtp.ts';

/** Operations that an API key can call. Those of sign-in have tests of their own. */
const entries = (Object.entries(operations) as [OperationName, Operation][]).filter(
  ([, { right }]) => right !== null && right !== 'self',
);

/** They need a connected agent, or an upgrade that waits: features/gateways/upgrades/upgrades.test.ts tries them. */
const needAgent: ReadonlySet<OperationName> = new Set(['upgradeGateway', 'cancelGatewayUpgrade']);

/** Everything that a tenant can read of itself, and how far it has come. */
async function wholeTenant(app: TestApp, key: string, tenant: string): Promise<string> {
  // A change stream has no end; what it shows is tested beside it.
  const lists = entries.filter(
    ([, { method, params, stream }]) => method === 'GET' && params === undefined && stream !== 'sse',
  );
  const answers = await Promise.all(lists.map(([, { path }]) => app.request('GET', path, { key })));
  const { revision } = await app.store.db
    .selectFrom('tenants')
    .select('revision')
    .where('id', '=', tenant)
    .executeTakeFirstOrThrow();
  const withoutUse = (text: string) => text.replaceAll(/"lastUsedAt":"[^"]*"/g, '');
  return JSON.stringify([revision, ...answers.map(({ text }) => withoutUse(text))]);
}

test('with the other tenant’s ids every route answers 404, and nothing changes', async (t) => {
  const app = await openTestApp(t);
  const sample = await makeSample(app);
  const before = await wholeTenant(app, app.tenant.key, app.tenant.id);
  let walked = 0;
  for (const [name, operation] of entries) {
    if (operation.params === undefined) continue;
    const body = validBody(name, sample);
    const path = samplePath(operation.path, sample);
    for (const query of operation.dryRun ? ['', '?dry-run=true'] : ['']) {
      const answer = await app.request(operation.method, path + query, { key: app.other.key, ...(body && { body }) });
      assert.deepEqual([answer.status, answer.json?.code], [404, 'not_found'], `${name}${query}: ${answer.text}`);
      walked++;
    }
  }
  assert.ok(walked > 30);
  assert.equal(await wholeTenant(app, app.tenant.key, app.tenant.id), before);
});

test('no list of one tenant shows anything of the other', async (t) => {
  const app = await openTestApp(t);
  const sample = await makeSample(app);
  const seen = await wholeTenant(app, app.other.key, app.other.id);
  for (const [kind, id] of Object.entries(sample)) assert.ok(!seen.includes(id), kind);
});

test('the other tenant’s ids in a body are refused, and nothing changes', async (t) => {
  const app = await openTestApp(t);
  const sample = await makeSample(app);
  const before = await wholeTenant(app, app.other.key, app.other.id);
  for (const name of ['createResource', 'createPolicy', 'reorderPolicies'] as const) {
    const { method, path } = operations[name];
    const body = validBody(name, sample) ?? {};
    const answer = await app.request(method, path, { key: app.other.key, body });
    assert.equal(answer.status, 400, `${name}: ${answer.text}`);
    assert.ok(answer.json.errors.length > 0, name);
  }
  assert.equal(await wholeTenant(app, app.other.key, app.other.id), before);
});

test('the dry run of every write answers a plan, and changes nothing', async (t) => {
  const app = await openTestApp(t);
  const sample = await makeSample(app);
  const whole = () => wholeTenant(app, app.tenant.key, app.tenant.id);
  const planned = entries.filter(([name, { dryRun }]) => dryRun === true && !needAgent.has(name));
  for (const [name, operation] of [
    ...planned.filter(([name]) => name !== 'transferOwnership'),
    ...planned.filter(([name]) => name === 'transferOwnership'),
  ]) {
    if (name === 'transferOwnership') await acceptInvitation(app, sample.user);
    const before = await whole();
    const body = validBody(name, sample);
    const url = `${samplePath(operation.path, sample)}?dry-run=true`;
    const { status, json, text } = await app.request(operation.method, url, body ? { body } : {});
    assert.equal(status, 200, `${name}: ${text}`);
    assert.deepEqual(DryRun.parse(json), json, name);
    assert.equal(await whole(), before, name);
  }
});

test('every write that is tried with a sample works in its own tenant', async (t) => {
  // A test mail needs a server that takes it.
  const mail = mailBy(await startSmtp(t));
  for (const [name, operation] of entries) {
    // A live stream exists while a client follows it: features/live/live.test.ts sets its topics.
    if (operation.method === 'GET' || name === 'setLiveTopics' || needAgent.has(name)) continue;
    const app = await openTestApp(t, { mail });
    const sample = await makeSample(app);
    // Only somebody who can sign in takes a tenant over.
    if (name === 'transferOwnership') await acceptInvitation(app, sample.user);
    const body = validBody(name, sample);
    const answer = await app.request(operation.method, samplePath(operation.path, sample), body ? { body } : {});
    assert.equal(answer.status, operation.status, `${name}: ${answer.text}`);
  }
});

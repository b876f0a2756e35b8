import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startApi } from './testing/api-server.ts';
import { uuid } from './testing/fixtures.ts';
import { sally } from './testing/run.ts';

const two = [uuid(51), uuid(52)];

async function sent(t: { after(work: () => unknown): void }, args: readonly string[]) {
  const api = await startApi(t);
  const outcome = await sally(api, args);
  assert.equal(outcome.code, 0, outcome.err);
  const writes = api.seen.filter(({ method }) => method !== 'GET');
  assert.deepEqual(
    writes.map(({ operation }) => operation),
    ['writeBatch'],
    args.join(' '),
  );
  return { out: outcome.out, body: writes[0]?.body as { writes: readonly Record<string, unknown>[] } };
}

test('a command for several objects makes one batch', async (t) => {
  for (const [args, method, end] of [
    [['devices', 'deactivate'], 'PATCH', '/deactivate'],
    [['devices', 'reactivate'], 'POST', '/reactivate'],
    [['devices', 'delete'], 'DELETE', ''],
    [['users', 'deactivate'], 'PATCH', '/deactivate'],
    [['users', 'reactivate'], 'POST', '/reactivate'],
    [['users', 'delete'], 'DELETE', ''],
    [['gateways', 'delete'], 'DELETE', ''],
  ] as const) {
    const { body, out } = await sent(t, [...args, ...two]);
    assert.deepEqual(
      body.writes,
      two.map((id) => ({ method, path: `/tenants/${args[0]}/${id}${end}` })),
    );
    assert.match(out, / 2 /);
  }
});

test('an object that is named twice is written once', async (t) => {
  const api = await startApi(t);
  assert.equal((await sally(api, ['devices', 'deactivate', uuid(51), 'anna'])).code, 0);
  assert.ok(api.seen.some(({ operation }) => operation === 'deactivateDevice'));
});

test('the intent of several gateways is set together', async (t) => {
  const { body } = await sent(t, ['gateways', 'maintenance', 'berlin', 'paris']);
  assert.deepEqual(
    body.writes.map((write) => (write.body as { intent?: string }).intent),
    ['MAINTENANCE', 'MAINTENANCE'],
  );
});

test('label adds and removes labels, and keeps the others', async (t) => {
  for (const [family, name] of [
    ['gateways', 'berlin'],
    ['devices', 'anna'],
    ['resources', 'intranet'],
  ] as const) {
    const { body } = await sent(t, [family, 'label', name, '--add', 'Test', '--remove', 'EU']);
    const { labels } = (body.writes[0] ?? assert.fail()).body as { labels: string[] };
    assert.ok(labels.includes('test') && !labels.includes('eu'), `${labels}`);
  }
  const api = await startApi(t);
  assert.equal((await sally(api, ['devices', 'label', 'anna'])).code, 2);
});

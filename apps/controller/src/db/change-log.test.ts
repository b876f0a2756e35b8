import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChangeLog } from './change-log.ts';
import type { LoggedRevision } from './types.ts';

const entry = (revision: number, changes = 1): LoggedRevision => ({
  revision,
  changes: Array.from({ length: changes }, (_, n) => ({ kind: 'policy', id: `p${n}`, op: 'update' })),
});
const numbers = (revisions: readonly LoggedRevision[] | null) => revisions?.map(({ revision }) => revision);

test('the head is the highest revision that was heard of, in any order', () => {
  const log = new ChangeLog();
  assert.equal(log.head('t'), 0);
  for (const revision of [7, 3, 9, 9, 8]) log.heard({ tenant: 't', revision });
  assert.deepEqual([log.head('t'), log.head('u')], [9, 0]);
});

test('revisions of this process are in memory; a foreign one between them must be read', () => {
  const log = new ChangeLog();
  for (const revision of [1, 2, 3]) log.committed('t', entry(revision));
  assert.deepEqual(numbers(log.recent('t', 1)), [2, 3]);
  assert.deepEqual(numbers(log.recent('t', 3)), []);
  assert.deepEqual(numbers(log.recent('t', 5)), []);
  log.heard({ tenant: 't', revision: 4 });
  assert.equal(log.recent('t', 2), null);
  log.committed('t', entry(5));
  assert.equal(log.recent('t', 3), null);
  assert.deepEqual(numbers(log.recent('t', 4)), [5]);
});

test('the memory of a tenant, and of all tenants together, has a bound', () => {
  const log = new ChangeLog();
  for (let revision = 1; revision <= 300; revision++) log.committed('t', entry(revision));
  assert.equal(log.recent('t', 43), null);
  assert.equal(log.recent('t', 44)?.length, 256);
  log.committed('t', entry(301, 5_001));
  assert.equal(log.recent('t', 300), null);
  for (let n = 0; n < 11; n++) log.committed(`tenant ${n}`, entry(1, 5_000));
  assert.equal(log.recent('tenant 0', 0), null);
  assert.equal(log.recent('tenant 10', 0)?.length, 1);
});

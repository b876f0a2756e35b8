import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTestApp } from '../testing/harness.ts';
import { alone } from './alone.ts';
import { parseReplicas, replicasText } from './command.ts';
import { viewReplicas } from './overview.ts';

const start = Date.parse('2026-11-30T08:00:00Z');

const row = (name: string, facts: { agents: number; behind: number; skew_ms: number }) => ({
  ...{ id: `id of ${name}`, name, version: '1.0.0', lock_key: 1, fact_number: 0, beacon: null },
  ...{ started_at: start - 3 * 3600_000, seen_at: start - 1_000 },
  ...facts,
});

const server = {
  address: 'sally@db:5432/access',
  timeline: 3,
  replication: { kind: 'synchronous', standbys: 1 },
} as const;

test('controllers of a database are listed with this one first and those that ended last', async (t) => {
  const { store } = await openTestApp(t);
  const self = { ...alone('1.0.0', () => start).self, id: 'id of b', name: 'b' };
  await store.db
    .insertInto('replicas')
    .values([
      row('a', { agents: 7, behind: 3, skew_ms: 5 }),
      row('b', { agents: 0, behind: 1, skew_ms: 0 }),
      row('c', { agents: 20, behind: 0, skew_ms: -12 }),
    ])
    .execute();
  const replicas = { self, isAlive: (id: string) => id !== 'id of a', lastContact: () => start - 500 };
  const view = await viewReplicas(store, replicas, { agents: () => 4, skewMs: () => 0, server: () => server });
  assert.equal(view.shared, true);
  const figures = view.controllers.map(({ name, alive, agents, behind }) => [name, alive, agents, behind]);
  assert.deepEqual(figures, [
    ['b', true, 4, 1],
    ['c', true, 20, 0],
    ['a', false, 0, 0],
  ]);
  assert.equal(
    replicasText({ ...view, at: new Date(start).toISOString() }),
    `Controllers that share the database: 2

Database: sally@db:5432/access, timeline 3, replication synchronous (attached: 1)

  CONTROLLER  STATE     VERSION  AGENTS  BEHIND  LAST CONTACT  CLOCK       RUNNING FOR  ID
  b           this one  1.0.0    4       1       1 s ago       right       0 s          id of b
  c           alive     1.0.0    20      0       1 s ago       12 ms fast  3 h          id of c
  a           ended     1.0.0    0       0       1 s ago       5 ms slow   -            id of a
`,
  );
});

test('a controller with an embedded database is shown as alone', async (t) => {
  const { store } = await openTestApp(t);
  const view = await viewReplicas(
    store,
    alone('1.0.0', () => start),
    { agents: () => 2, skewMs: () => 0, server: () => null },
  );
  assert.deepEqual([view.shared, view.controllers.length, view.controllers[0]?.agents], [false, 1, 2]);
  assert.match(replicasText(view), /^This controller has its database alone\.\n\n {2}CONTROLLER/);
  const shown = (kind: 'synchronous' | 'asynchronous' | 'none', standbys: number) =>
    replicasText({ ...view, database: { ...server, timeline: null, replication: { kind, standbys } } });
  assert.match(shown('synchronous', 0), /timeline unknown, replication synchronous \(no standby attached\)\n/);
  assert.match(shown('asynchronous', 2), /replication asynchronous \(attached: 2\)\n/);
  assert.match(shown('none', 0), /replication none\n/);
});

test('the command line of the list is read strictly', () => {
  assert.equal(parseReplicas(['backup', 'x'], undefined), null);
  assert.deepEqual(parseReplicas(['replicas', '--json'], ''), { step: 'list', dataDir: './data', json: true });
  assert.deepEqual(parseReplicas(['replicas', '--help'], '/d'), { step: 'help', dataDir: '/d', json: false });
  for (const wrong of [['--data-dir', ''], ['--zzz'], ['more']])
    assert.throws(() => parseReplicas(['replicas', ...wrong], undefined), { name: 'UsageError' });
});

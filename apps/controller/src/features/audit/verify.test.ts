import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import pino from 'pino';
import { createOperatorServer } from '../../operator.ts';
import { signInOwner } from '../../testing/browser.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';
import { makeSample } from '../../testing/sample.ts';

const verify = async (app: TestApp) => (await app.request('GET', '/tenants/audit-events/verify')).json;
const events = (app: TestApp) =>
  app.store.db
    .selectFrom('audit_events')
    .selectAll()
    .where('tenant_id', '=', app.tenant.id)
    .orderBy('revision')
    .orderBy('seq')
    .execute();
type Row = Awaited<ReturnType<typeof events>>[number];

/** Writes the whole trail of the first tenant anew, behind everybody's back. */
async function replace(app: TestApp, rows: readonly Row[]): Promise<void> {
  await app.store.db.deleteFrom('audit_events').where('tenant_id', '=', app.tenant.id).execute();
  for (const row of rows) await app.store.db.insertInto('audit_events').values(row).execute();
}

const idOf = ({ revision, seq }: Row) => `${revision}.${seq}`;

test('an unchanged trail is intact, and the result names its head', async (t) => {
  const app = await openTestApp(t);
  await makeSample(app);
  const rows = await events(app);
  assert.deepEqual(await verify(app), { intact: true, checked: rows.length, head: rows.at(-1)?.hash });
});

test('a removed, edited, inserted or moved event is found at its place', async (t) => {
  const app = await openTestApp(t);
  await makeSample(app);
  const rows = await events(app);
  const columns = [
    'at',
    'actor_kind',
    'actor_id',
    'actor_name',
    'source_ip',
    'request_id',
    'action',
    'kind',
    'object_id',
    'before',
    'after',
    'prev_hash',
    'hash',
  ] as const;
  const place = fc.nat(rows.length - 1);
  const tampering = fc.oneof(
    place.map((at) => ({ name: 'remove', at, rows: rows.toSpliced(at, 1) })),
    fc.tuple(place, fc.constantFrom(...columns)).map(([at, column]) => {
      const row = rows[at] as Row;
      const value = typeof row[column] === 'number' ? Number(row[column]) + 1 : `${row[column] ?? ''}x`;
      return { name: `edit ${column}`, at, rows: rows.with(at, { ...row, [column]: value }) };
    }),
    fc
      .tuple(place, place)
      .filter(([a, b]) => a < b)
      .map(([a, b]) => {
        const [one, two] = [rows[a] as Row, rows[b] as Row];
        const swapped = rows
          .with(a, { ...two, revision: one.revision, seq: one.seq })
          .with(b, { ...one, revision: two.revision, seq: two.seq });
        return { name: 'swap', at: a, rows: swapped };
      }),
    place.map((at) => {
      const row = rows[at] as Row;
      const behind = { ...row, seq: row.seq + 0.5 };
      const last = rows.filter(({ revision }) => revision === row.revision).length;
      return {
        name: 'insert',
        at: rows.findLastIndex(({ revision }) => revision === row.revision) + 1,
        rows: [...rows, { ...behind, seq: last }],
      };
    }),
  );
  await fc.assert(
    fc.asyncProperty(tampering, async ({ name, at, rows: tampered }) => {
      await replace(app, tampered);
      const { intact, firstBad, reason } = await verify(app);
      assert.equal(intact, false, name);
      assert.ok(reason.length > 10);
      const missed = at === rows.length - 1 && name === 'remove';
      if (name === 'remove')
        assert.ok(
          missed ? Number.parseInt(firstBad, 10) >= (rows[at]?.revision ?? 0) : firstBad === idOf(rows[at + 1] as Row),
          `${name} ${at}: ${firstBad}`,
        );
      else if (name !== 'insert') assert.equal(firstBad, idOf(rows[at] as Row), name);
    }),
    { numRuns: 60 },
  );
  await replace(app, rows);
  assert.equal((await verify(app)).intact, true);
});

test('an end that was cut off is found by the revision; turned back as well, by the head that was kept', async (t) => {
  const app = await openTestApp(t);
  await makeSample(app);
  const { head } = await verify(app);
  const rows = await events(app);
  const last = rows.at(-1)?.revision ?? 0;
  await replace(
    app,
    rows.filter(({ revision }) => revision < last),
  );
  const found = await verify(app);
  assert.deepEqual([found.intact, found.firstBad], [false, `${last}.0`]);
  await app.store.db
    .updateTable('tenants')
    .set({ revision: last - 1 })
    .where('id', '=', app.tenant.id)
    .execute();
  assert.equal((await verify(app)).intact, false, 'the tenant still has the hash of its newest event');
  const kept = rows.filter(({ revision }) => revision < last).at(-1)?.hash ?? '';
  await app.store.db.updateTable('tenants').set({ audit_hash: kept }).where('id', '=', app.tenant.id).execute();
  const hidden = await verify(app);
  assert.equal(hidden.intact, true);
  assert.notEqual(hidden.head, head);
});

test('events that are rewritten with fitting hashes of another tenant are found', async (t) => {
  const app = await openTestApp(t);
  const foreign = await app.store.db
    .selectFrom('audit_events')
    .selectAll()
    .where('tenant_id', '=', app.other.id)
    .execute();
  await replace(
    app,
    foreign.map((row) => ({ ...row, tenant_id: app.tenant.id })),
  );
  assert.deepEqual([(await verify(app)).intact, (await verify(app)).firstBad], [false, '1.0']);
});

test('writes go on while the trail is verified', async (t) => {
  const app = await openTestApp(t);
  await makeSample(app);
  const body = (n: number) => ({ body: { name: `k${n}` } });
  const writes = Array.from({ length: 40 }, (_, n) => app.request('POST', '/tenants/api-keys', body(n)));
  const results = await Promise.all([...writes.slice(0, 20), verify(app), ...writes.slice(20), verify(app)]);
  assert.deepEqual([results[20].intact, results.at(-1).intact], [true, true]);
});

const unasked = async (): Promise<never> => assert.fail('not asked');
const unaskedRotation = { status: unasked, rotate: unasked, finish: unasked };

test('the operator verifies any tenant, without a key', async (t) => {
  const app = await openTestApp(t);
  const operator = createOperatorServer(
    {
      store: app.store,
      mail: app.app.mail,
      replicas: unasked,
      masterKey: unaskedRotation,
      signingKey: unaskedRotation,
    },
    pino({ level: 'silent' }),
    { take: unasked },
    () => 'http://localhost:8080',
  );
  t.after(() => operator.close());
  const ask = (id: string) => operator.inject({ method: 'POST', url: `/tenants/${id}/audit/verify` });
  assert.deepEqual((await ask(app.tenant.id)).json(), await verify(app));
  await app.store.db
    .updateTable('audit_events')
    .set({ action: 'nothing' })
    .where('tenant_id', '=', app.other.id)
    .execute();
  assert.equal((await ask(app.other.id)).json().firstBad, '1.0');
  assert.equal((await ask('nobody')).statusCode, 404);
});

test('sign-ins that were cut off the end of the trail are missed', async (t) => {
  const app = await openTestApp(t);
  await signInOwner(app);
  assert.equal((await verify(app)).intact, true);
  const newest = await app.store.db
    .selectFrom('audit_events')
    .select(['revision', 'seq'])
    .where('tenant_id', '=', app.tenant.id)
    .orderBy('revision', 'desc')
    .orderBy('seq', 'desc')
    .executeTakeFirstOrThrow();
  assert.ok(newest.seq > 0, 'a sign-in makes no revision of its own');
  await app.store.db
    .deleteFrom('audit_events')
    .where('tenant_id', '=', app.tenant.id)
    .where('revision', '=', newest.revision)
    .where('seq', '=', newest.seq)
    .execute();
  const found = await verify(app);
  assert.deepEqual([found.intact, found.firstBad], [false, `${newest.revision}.${newest.seq}`]);
  assert.match(found.reason, /newest events are missing/);
});

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { makers, revisionOf } from '../../testing/api.ts';
import { type EventStream, listen, openEvents, type StreamEvent } from '../../testing/event-stream.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';
import { ChangeFeed } from './feed.ts';

const path = '/tenants/changes';

async function follow(
  t: TestContext,
  app: TestApp,
  {
    query = '',
    headers = {},
    key = app.tenant.key,
  }: { query?: string; headers?: Record<string, string>; key?: string } = {},
): Promise<EventStream> {
  const stream = await openEvents(`${await listen(app)}${path}${query}`, key, headers);
  t.after(() => stream.close());
  return stream;
}

/** The next event that carries data. */
async function nextEvent(stream: EventStream): Promise<StreamEvent | null> {
  for (;;) {
    const event = await stream.next();
    if (event === null || event.data !== undefined) return event;
  }
}

const revisionIn = (event: StreamEvent | null): number => JSON.parse(event?.data ?? '{}').revision;

async function touch(app: TestApp, changes = 1, tenant = app.tenant.id): Promise<void> {
  const context = {
    tenant,
    actor: { kind: 'system', id: null, name: 'test' },
    action: 'test',
    sourceIp: null,
    requestId: null,
  } as const;
  await app.store.write(context, async (tx) => {
    for (let n = 0; n < changes; n++)
      tx.changed({ kind: 'gateway', id: `00000000-0000-4000-8000-00000000000${n % 10}`, op: 'update' });
  });
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 2));
}

test('a change is sent at once, with its revision as event id', async (t) => {
  const app = await openTestApp(t);
  const stream = await follow(t, app);
  assert.equal((await stream.next())?.id, String(await revisionOf(app)));
  const { id } = await makers(app).gateway('Berlin');
  const revision = await revisionOf(app);
  const event = await nextEvent(stream);
  assert.equal(event?.id, String(revision));
  assert.deepEqual(JSON.parse(event?.data ?? ''), { revision, changes: [{ kind: 'gateway', id, op: 'create' }] });
});

test('a client continues after the last event that it saw; Last-Event-ID wins over since', async (t) => {
  const app = await openTestApp(t);
  const from = await revisionOf(app);
  for (let n = 0; n < 3; n++) await touch(app);
  const since = await follow(t, app, { query: `?since=${from}` });
  for (const expected of [1, 2, 3]) assert.equal(revisionIn(await nextEvent(since)), from + expected);
  const headers = { 'last-event-id': String(from + 2) };
  const resumed = await follow(t, app, { query: '?since=0', headers });
  assert.equal((await resumed.next())?.id, String(from + 2));
  assert.equal(revisionIn(await nextEvent(resumed)), from + 3);
  await touch(app);
  assert.equal(revisionIn(await nextEvent(resumed)), from + 4);
  const whole = await follow(t, app, { query: '?since=0' });
  for (let revision = 1; revision <= from + 4; revision++) assert.equal(revisionIn(await nextEvent(whole)), revision);
});

test('a feed that cannot continue from a revision says so, and an invalid revision is refused', async (t) => {
  const app = await openTestApp(t);
  const revision = await revisionOf(app);
  const code = async (query: string, headers = {}) => (await app.request('GET', path + query, { headers })).json.code;
  assert.equal(await code(`?since=${revision + 1}`), 'changes_gone');
  assert.equal(await code('', { 'last-event-id': '999999' }), 'changes_gone');
  assert.equal(await code('?since=-1'), 'invalid_request');
  assert.equal(await code('', { 'last-event-id': '17.0' }), 'invalid_request');
  await app.request('PATCH', '/tenants/settings', { body: { name: 'First', auditRetentionDays: 1 } });
  app.clock.now += 2 * 86_400_000;
  await app.app.maintain();
  const now = await revisionOf(app);
  assert.equal(await code(`?since=${now - 1}`), 'changes_gone');
  const stream = await follow(t, app, { query: `?since=${now}` });
  await touch(app);
  assert.equal(revisionIn(await nextEvent(stream)), now + 1);
});

test('clients that come and go while others write lose nothing and see nothing twice', async (t) => {
  const app = await openTestApp(t);
  const reads = fc.array(fc.nat(12), { minLength: 1, maxLength: 8 });
  const writers = fc.array(fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 15 }), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(reads, writers, async (plan, writes) => {
      const start = await revisionOf(app);
      const end = start + writes.flat().length;
      const writing = Promise.all(
        writes.map(async (sizes) => {
          for (const size of sizes) await touch(app, size);
        }),
      );
      const seen: number[] = [];
      let at = start;
      for (let turn = 0; at < end; turn++) {
        const stream = await follow(t, app, { headers: { 'last-event-id': String(at) } });
        const take = turn < plan.length ? (plan[turn] ?? 0) : Number.POSITIVE_INFINITY;
        for (let n = 0; n < take && at < end; n++) {
          const event = await nextEvent(stream);
          seen.push(revisionIn(event));
          at = Number(event?.id);
        }
        stream.close();
      }
      await writing;
      assert.deepEqual(
        seen,
        Array.from({ length: end - start }, (_, n) => start + 1 + n),
      );
    }),
    { numRuns: 25 },
  );
});

test('a slow follower gets every change from the log and holds up no other follower', async (t) => {
  const app = await openTestApp(t);
  const feed = new ChangeFeed(app.store);
  const end = new AbortController();
  const { start, batches } = await feed.follow(app.tenant.id, null, end.signal);
  for (let n = 0; n < 700; n++) await touch(app);
  await touch(app, 6000);
  await touch(app);
  const seen: number[] = [];
  let changes = 0;
  for await (const batch of batches) {
    for (const event of batch) {
      seen.push(event.revision);
      changes += event.changes.length;
    }
    if (seen.length >= 702) end.abort();
  }
  assert.deepEqual(
    seen,
    Array.from({ length: 702 }, (_, n) => start + 1 + n),
  );
  assert.equal(changes, 700 + 6000 + 1);
});

test('a follower hears of a commit too large to be shared', async (t) => {
  const app = await openTestApp(t);
  const stream = await follow(t, app);
  await stream.next();
  await touch(app, 6000);
  assert.equal(JSON.parse((await nextEvent(stream))?.data ?? '').changes.length, 6000);
});

test('one tenant never sees what another one changes', async (t) => {
  const app = await openTestApp(t);
  const foreign = await follow(t, app, { key: app.other.key });
  await touch(app);
  await touch(app, 1, app.other.id);
  assert.equal(revisionIn(await nextEvent(foreign)), await revisionOf(app, app.other));
});

test('deleting a key ends its stream before another event is sent', async (t) => {
  const app = await openTestApp(t);
  const { json: key } = await app.request('POST', '/tenants/api-keys', { body: { name: 'watcher', role: 'AUDITOR' } });
  const stream = await follow(t, app, { key: key.key });
  await touch(app);
  assert.notEqual(await nextEvent(stream), null);
  await app.request('DELETE', `/tenants/api-keys/${key.id}`);
  assert.equal(await nextEvent(stream), null);
});

test('streams that are open are counted, and end with their clients and with the controller', async (t) => {
  const app = await openTestApp(t);
  const open = async () => /^sallyport_streams_open (\d+)$/m.exec(await app.metrics())?.[1];
  const [first, second] = [await follow(t, app), await follow(t, app)];
  assert.equal(await open(), '2');
  first.close();
  await until(async () => (await open()) === '1');
  await second.next();
  const ended = nextEvent(second);
  await app.app.server.close();
  assert.equal(await ended, null);
});

test('the number of followers per tenant is limited', async (t) => {
  const app = await openTestApp(t);
  const feed = new ChangeFeed(app.store);
  const ends = Array.from({ length: 200 }, () => new AbortController());
  for (const { signal } of ends) await feed.follow(app.tenant.id, null, signal);
  const { signal } = new AbortController();
  await assert.rejects(feed.follow(app.tenant.id, null, signal), { code: 'rate_limited' });
  await feed.follow(app.other.id, null, signal);
  ends[0]?.abort();
  await feed.follow(app.tenant.id, null, signal);
});

test('HEAD and writes do not follow the change feed', async (t) => {
  const app = await openTestApp(t);
  const { headers, statusCode } = await app.app.server.inject({
    method: 'HEAD',
    url: path,
    headers: { apikey: app.tenant.key },
  });
  assert.deepEqual([statusCode, headers.allow], [405, 'GET']);
});

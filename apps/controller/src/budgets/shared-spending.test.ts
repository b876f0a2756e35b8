import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { AppDeps } from '../app.ts';
import { ManualTime } from '../channel/testing/manual-time.ts';
import { openTestApp, openTestStore, TestClock } from '../testing/harness.ts';
import { MemoryReplicas } from '../testing/replicas.ts';
import { mailBy, startSmtp } from '../testing/smtp.ts';

/** Two replicas of one controller. `told`: lets them hear what the other one has used up. */
async function open(t: TestContext, deps: Partial<AppDeps> = {}) {
  const clock = new TestClock();
  const store = await openTestStore(t, clock);
  const network = new MemoryReplicas(() => clock.now);
  const timers = new ManualTime();
  const replicas = [network.join('a'), network.join('b')] as const;
  const a = await openTestApp(t, { ...deps, store, timers, replicas: replicas[0] });
  const b = await openTestApp(t, { ...deps, store, timers, replicas: replicas[1] });
  const told = async () => {
    timers.advance(1_000);
    // A message takes two turns.
    for (let turns = 0; turns < 4; turns++) await new Promise((resolve) => setImmediate(resolve));
  };
  return { a, b, clock, network, replicas, told, key: a.tenant.key };
}

test('what a tenant writes through one replica is taken off its budget at the other', async (t) => {
  const { a, b, clock, told, key } = await open(t, { writeRate: { perSecond: 2, burstSeconds: 5 } });
  const write = async (app: typeof a, as = key) =>
    (await app.request('POST', '/tenants/groups', { key: as, body: { name: 'g', roles: [] } })).status;
  for (let count = 0; count < 8; count++) assert.equal(await write(a), 201);
  await told();
  const answers = [];
  for (let count = 0; count < 6; count++) answers.push(await write(b));
  assert.ok(answers.includes(429), answers.join(' '));
  await told();
  assert.equal(await write(a), 429, 'what the other one used up is taken off here as well');
  assert.equal(await write(b, a.other.key), 201, 'another tenant has its own');
  clock.now += 5_000;
  for (const app of [a, b]) assert.equal(await write(app), 201);
});

test('test mails of a tenant count at every replica', async (t) => {
  const smtp = await startSmtp(t);
  const { a, b, told, key } = await open(t, { mail: mailBy(smtp) });
  const { json: user } = await a.request('POST', '/tenants/users', {
    key,
    body: { email: 'x@example.com', groups: [] },
  });
  const send = async (app: typeof a) =>
    (await app.request('POST', '/tenants/mail/test', { key, body: { user: user.id } })).status;
  for (let count = 0; count < 5; count++) assert.equal(await send(a), 200);
  await told();
  for (let count = 0; count < 5; count++) assert.equal(await send(b), 200);
  await told();
  assert.deepEqual([await send(a), await send(b)], [429, 429]);
});

test('a message that no replica would send changes nothing', async (t) => {
  const { a, replicas, told, key } = await open(t, { writeRate: { perSecond: 1, burstSeconds: 5 } });
  const { id } = a.tenant;
  for (const body of [
    null,
    'writes',
    {},
    [[]],
    [['writes', id, '9']],
    [['writes', id, -5]],
    [['no such', id, 9]],
    [['writes', id, null]],
  ])
    replicas[1].tell('others', 'spent', body);
  await told();
  for (let count = 0; count < 4; count++)
    assert.equal((await a.request('POST', '/tenants/groups', { key, body: { name: 'g', roles: [] } })).status, 201);
});

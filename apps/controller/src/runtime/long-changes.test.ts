import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { noCountries } from '../countries.ts';
import { breathe } from '../slices.ts';
import { makers, publicKeyOf } from '../testing/api.ts';
import { nativeDevice } from '../testing/enrol.ts';
import { openTestApp, type TestApp, testPostgres } from '../testing/harness.ts';
import { type RuntimesDeps, TenantRuntimes } from './runtimes.ts';
import { ClockTimers } from './testing/clock-timers.ts';
import { Follower } from './testing/follower.ts';
import { Whereabouts } from './whereabouts.ts';

/** Why a test is not run on PostgreSQL: its answers come after more turns of the event loop than a change takes. */
const countsTurns = 'counts turns of the event loop, which pass while a server answers';

/** Enough that matching and showing all of them take several steps each. */
const plainDevices = 150;

function runtimesOf(app: TestApp, deps: Partial<RuntimesDeps> = {}): TenantRuntimes {
  const { store } = app;
  const whereabouts = new Whereabouts(noCountries);
  return new TenantRuntimes({
    store,
    epoch: 'e',
    took: () => undefined,
    log: { warn: assert.fail, error: assert.fail },
    whereabouts,
    ...deps,
  });
}

/** Waits for a number of turns of the event loop that a change never takes. */
async function until(reached: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2_000 && !reached(); turn++) await breathe();
  assert.ok(reached(), 'the change takes many slices');
}

/** Each look at the clock ends a slice. */
function makeStepsLong(t: TestContext): void {
  let now = performance.now();
  t.mock.method(performance, 'now', () => (now += 10));
}

/** `condition`: rule under which everyone has access. */
async function start(t: TestContext, condition?: string) {
  const app = await openTestApp(t);
  const make = makers(app);
  const gateways: string[] = [];
  for (const name of ['Berlin', 'Bern', 'Basel']) {
    const { id } = await make.gateway(name, { endpoint: `${name}.example.com` });
    await app.store.db
      .updateTable('gateways')
      .set({ wireguard_key: publicKeyOf(name) })
      .where('id', '=', id)
      .execute();
    gateways.push(id);
  }
  const protocols = [(await make.protocol('443')).id];
  const web = await make.resource('web', [{ address: '10.1.2.3', protocols }]);
  const nowhere = await make.resource('nowhere', [{ address: '10.9.9.9', protocols }]);
  await make.attach(web.id, gateways);
  for (let n = 0; n < plainDevices; n++) await make.device(`device ${n}`);
  const native = await nativeDevice(app, 'laptop');
  const everyone = { name: 'Everyone', type: 'PRIVATE' as const, allDevices: true, resources: [web.id] };
  const own = condition === undefined ? {} : { rule: (await make.rule('Everyone', condition)).id };
  const policy = await make.policy('Everyone', { ...everyone, ...own });
  const rule = await make.rule('Office', "source.inCidr('203.0.113.0/24')");
  await make.policy('Office', { devices: [native.id], resources: [web.id], rule: rule.id });
  const toggle = async (open: boolean) => {
    // A policy that denies takes no rule.
    const changed = condition === undefined ? { action: open } : { resources: [open ? web.id : nowhere.id] };
    const body = { ...everyone, action: true, rule: policy.rule.id, ...changed };
    const answer = await app.request('PATCH', `/tenants/policies/${policy.id}`, { body });
    assert.equal(answer.status, 200, answer.text);
  };
  return { app, gateways, native: native.id as string, toggle };
}

test('what comes in the middle of a long change joins it, and every state is that of a fresh compile', async (t) => {
  if (testPostgres !== undefined) return t.skip(countsTurns);
  const { app, gateways, native, toggle } = await start(t);
  let slices = 0;
  const runtimes = runtimesOf(app, { took: () => slices++ });
  t.after(() => runtimes.stop());
  const agents = [...gateways, native];
  const followers = new Map<string, Follower>();
  for (const id of agents) {
    const state = (await runtimes.current(id)) ?? assert.fail('no state');
    followers.set(id, new Follower(t, runtimes, id, state));
    await runtimes.current(id);
  }
  makeStepsLong(t);
  const rounds = 6;
  let asked = 0;
  const questions: Promise<void>[] = [];
  for (let round = 0; round < rounds; round++) {
    slices = 0;
    await toggle(round % 2 === 1);
    // The runtime reads the log first. Then each turn of the event loop is one step of the change.
    for (let turn = 0; turn < 400 && slices < 12; turn++) {
      await breathe();
      if (slices === 0) continue;
      runtimes.deviceMoved(app.tenant.id, native, `203.0.113.${turn % 2 === 0 ? 7 : round}`);
      if (round % 3 === 2) runtimes.deviceMoved(app.tenant.id, native, '192.0.2.1');
      const id = agents[turn % agents.length] ?? '';
      const question = async () => {
        const state = (await runtimes.current(id)) ?? assert.fail('no state');
        assert.equal(followers.get(id)?.hash, state.hash, 'the answer is what the follower was told');
        asked++;
      };
      questions.push(question());
    }
    assert.ok(slices >= 4, 'the change takes many slices');
  }
  await Promise.all(questions);
  assert.ok(asked >= rounds);
  slices = 0;
  await toggle(false);
  await until(() => slices >= 4);
  runtimes.deviceMoved(app.tenant.id, native, '203.0.113.9');
  const fresh = runtimesOf(app);
  t.after(() => fresh.stop());
  await fresh.world(app.tenant.id);
  fresh.deviceMoved(app.tenant.id, native, '203.0.113.9');
  for (const [id, follower] of followers) {
    assert.equal((await runtimes.current(id))?.hash, follower.hash);
    assert.equal((await fresh.current(id))?.hash, follower.hash, id);
  }
});

test('the last gateway is told of a long change before the first device', async (t) => {
  const { app, gateways, native, toggle } = await start(t);
  const runtimes = runtimesOf(app);
  t.after(() => runtimes.stop());
  const told: string[] = [];
  for (const id of [native, ...gateways]) {
    t.after(runtimes.subscribe(id, () => told.push(id === native ? 'device' : 'gateway')));
    await runtimes.current(id);
  }
  makeStepsLong(t);
  for (const action of [false, true]) {
    told.length = 0;
    await toggle(action);
    await runtimes.current(gateways[0] ?? '');
    await runtimes.current(native);
    assert.deepEqual(told, [...gateways.map(() => 'gateway'), 'device']);
  }
});

test('an agent that leaves and comes back in the middle of a long change gets the state of a fresh compile', async (t) => {
  if (testPostgres !== undefined) return t.skip(countsTurns);
  const { app, gateways, native, toggle } = await start(t);
  let slices = 0;
  const runtimes = runtimesOf(app, { took: () => slices++ });
  t.after(() => runtimes.stop());
  await runtimes.current(gateways[0] ?? '');
  let leave = runtimes.subscribe(native, () => undefined);
  t.after(() => leave());
  await runtimes.current(native);
  makeStepsLong(t);
  for (const action of [false, true, false]) {
    slices = 0;
    await toggle(action);
    await until(() => slices >= 4);
    leave();
    await breathe();
    leave = runtimes.subscribe(native, () => undefined);
    const state = (await runtimes.current(native)) ?? assert.fail('no state');
    const fresh = runtimesOf(app);
    t.after(() => fresh.stop());
    assert.equal(state.hash, (await fresh.current(native))?.hash);
  }
});

test('a write in the middle of a long change by time waits for it', async (t) => {
  const { app, gateways, toggle } = await start(t, "time.between('08:00', '18:00')");
  const timers = new ClockTimers();
  timers.clock = app.clock;
  app.clock.now = Date.parse('2026-01-15T22:00:00Z');
  let slices = 0;
  const runtimes = runtimesOf(app, { took: () => slices++, timers });
  t.after(() => runtimes.stop());
  const [id = ''] = gateways;
  const follower = new Follower(t, runtimes, id, (await runtimes.current(id)) ?? assert.fail('no state'));
  await runtimes.current(id);
  makeStepsLong(t);
  for (const text of ['2026-01-16T08:00:00Z', '2026-01-17T08:00:00Z', '2026-01-18T08:00:00Z']) {
    await toggle(true);
    await runtimes.current(id);
    slices = 0;
    timers.advanceTo(Date.parse(text));
    await until(() => slices >= 4);
    await Promise.all([runtimes.current(id), toggle(false), runtimes.current(id)]);
    const state = (await runtimes.current(id)) ?? assert.fail('no state');
    assert.equal(follower.hash, state.hash);
    const fresh = runtimesOf(app);
    t.after(() => fresh.stop());
    assert.equal((await fresh.current(id))?.hash, state.hash, text);
  }
});

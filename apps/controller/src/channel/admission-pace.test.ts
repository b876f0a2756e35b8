import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Gate } from './gate.ts';
import { FailureLimiter, sourceOf } from './source-limits.ts';
import { startChannel } from './testing/harness.ts';
import { ManualTime, until } from './testing/manual-time.ts';
import { newAgent, ScriptedAgent } from './testing/scripted-agent.ts';
import { Alarm } from './timers.ts';
import { WorkQueue } from './work-queue.ts';

test('a thousand agents that come at once are all served, in turns', async (t) => {
  const h = await startChannel(t, { limits: { handshakes: 100, handshakesPerSource: 100 } });
  const gateways = Array.from({ length: 1_000 }, () => h.gateway());
  let most = 0;
  const watch = h.channel.onPresence(() => {
    most = Math.max(most, h.channel.counters().handshaking);
  });
  const agents = await Promise.all(
    gateways.map(async ({ id, token }) => {
      const agent = await ScriptedAgent.connect(h.port, newAgent(id, token));
      agent.apply();
      return agent;
    }),
  );
  await until(() => gateways.every(({ id }) => h.channel.presence(id).converged), 'all converged');
  watch();
  assert.ok(most <= 100, `${most} handshakes at once`);
  const { connected, handshaking, waiting, sent } = h.channel.counters();
  assert.deepEqual({ connected, handshaking, waiting }, { connected: 1_000, handshaking: 0, waiting: 0 });
  assert.equal(sent.snapshot, 1_000);
  h.time.advance(10_000);
  await until(() => h.directory.online.size === 1_000, 'all noted');
  assert.equal(h.directory.writes.lastOnline, 2);
  for (const agent of agents) agent.ws.terminate();
  await until(() => h.channel.counters().connected === 0, 'all gone');
});

test('the gate keeps its bounds, lets all in at last, and lets no source starve the others', () => {
  const limits = { handshakes: 4, handshakesPerSource: 2, waitingUpgrades: 1_000 };
  fc.assert(
    fc.property(fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 60 }), (sources) => {
      const gate = new Gate(limits);
      const running: string[] = [];
      const order: string[] = [];
      for (const source of sources) {
        gate.enter(source, () => {
          running.push(source);
          order.push(source);
        });
        assert.ok(gate.running <= 4);
      }
      while (running.length > 0) {
        for (const source of 'abc') assert.ok(running.filter((one) => one === source).length <= 2);
        gate.leave(running.shift() ?? '');
      }
      assert.equal(order.length, sources.length);
      assert.deepEqual([gate.running, gate.waiting], [0, 0]);
    }),
  );
});

test('failures are counted, forgotten with time, and remembered of so many sources only', () => {
  const limiter = new FailureLimiter({ failures: 2, failureForgottenMs: 1_000, failingSources: 3 });
  limiter.failed('a', 0);
  assert.equal(limiter.waitMs('a', 0), 0);
  limiter.failed('a', 0);
  assert.equal(limiter.waitMs('a', 0), 1_000);
  assert.equal(limiter.waitMs('a', 999), 1);
  assert.equal(limiter.waitMs('a', 1_000), 0);
  for (const source of 'bcdef') limiter.failed(source, 1_000);
  assert.equal(limiter.size, 3);
  assert.equal(limiter.waitMs('f', 10_000), 0);
  assert.equal(limiter.size, 2);
});

test('sources are IPv4 addresses and IPv6 networks of one host', () => {
  assert.equal(sourceOf('192.0.2.1'), '192.0.2.1');
  assert.equal(sourceOf('2001:db8::1'), sourceOf('2001:db8::ffff:1'));
  assert.notEqual(sourceOf('2001:db8::1'), sourceOf('2001:db8:0:1::1'));
});

test('a queue does a slice at a time, and a task that waits already once', async () => {
  const soon: (() => void)[] = [];
  const time = new ManualTime();
  const queue = new WorkQueue({ after: time.after, soon: (run) => void soon.push(run) }, time.clock);
  let done = 0;
  const again = () => void done++;
  for (let i = 0; i < 500; i++) {
    queue.add(() => void done++);
    queue.add(again);
  }
  const slices: number[] = [];
  for (let run = soon.shift(); run !== undefined; run = soon.shift()) {
    run();
    slices.push(done);
  }
  assert.deepEqual(slices, [200, 400, 501]);
});

test('an alarm follows a deadline that moves, with one timer', () => {
  const time = new ManualTime();
  const rings: number[] = [];
  const start = time.clock();
  const alarm = new Alarm(time, time.clock, () => rings.push(time.clock() - start));
  alarm.set(start + 500);
  alarm.set(start + 900);
  alarm.set(start + 100);
  alarm.set(null);
  assert.equal(time.pending, 1);
  time.advance(1_000);
  assert.deepEqual(rings, [100]);
  alarm.set(start);
  time.advance(0);
  assert.deepEqual(rings, [100, 1_000]);
  alarm.set(start + 2_000);
  alarm.stop();
  alarm.set(start + 2_000);
  assert.equal(time.pending, 0);
});

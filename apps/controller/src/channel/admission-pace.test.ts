import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Allowance } from './allowance.ts';
import { Gate, type GateLimits } from './gate.ts';
import { FailureLimiter, sourcesOf } from './source-limits.ts';
import { startChannel } from './testing/harness.ts';
import { ManualTime, until } from './testing/manual-time.ts';
import { newAgent, ScriptedAgent } from './testing/scripted-agent.ts';
import { Alarm } from './timers.ts';
import { WorkQueue } from './work-queue.ts';

test('a thousand agents that connect at once are all served in turns', async (t) => {
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

const bounds = { waitingUpgrades: 1_000, waitingPerSource: 1_000, pressureMs: 3_000, graceMs: 250 };

/** A gate whose guests note what becomes of them. */
function gateOf(change: Partial<GateLimits>) {
  const time = new ManualTime();
  const gate = new Gate({ handshakes: 4, handshakesPerSource: 2, ...bounds, ...change }, time.clock, time);
  const noted = { started: [] as string[], dropped: [] as string[], evicted: [] as string[] };
  const enter = (...sources: string[]) => {
    const note = (kind: keyof typeof noted) => () => void noted[kind].push(sources[0] ?? '');
    return gate.enter({ sources, start: note('started'), dropped: note('dropped'), evicted: note('evicted') });
  };
  return { gate, time, noted, enter };
}

test('the gate keeps its bounds, admits every guest, and starves no source', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 60 }), (sources) => {
      const { gate, noted } = gateOf({});
      const running: { source: string; leave: () => void }[] = [];
      for (const source of sources) {
        const guest = { sources: [source], dropped: assert.fail, evicted: assert.fail };
        const start = () => {
          noted.started.push(source);
          running.push({ source, leave: () => place?.leave() });
        };
        const place = gate.enter({ ...guest, start });
        assert.ok(gate.running <= 4);
      }
      while (running.length > 0) {
        for (const source of 'abc') assert.ok(running.filter((one) => one.source === source).length <= 2);
        running.shift()?.leave();
      }
      assert.equal(noted.started.length, sources.length);
      assert.deepEqual([gate.running, gate.waiting], [0, 0]);
    }),
  );
});

test('a source with fewer handshakes takes the place of the oldest of the source with most', () => {
  const { gate, time, noted, enter } = gateOf({ handshakesPerSource: 3 });
  for (const source of ['a', 'a', 'a', 'b']) enter(source);
  time.advance(250);
  enter('c');
  assert.deepEqual([noted.started.at(-1), noted.evicted], ['c', ['a']]);
  enter('b');
  assert.deepEqual([noted.evicted, gate.waiting], [['a'], 1], 'no source has two more than b');
});

test('a fresh or proven handshake keeps its place', () => {
  const { time, noted, enter } = gateOf({ handshakesPerSource: 3 });
  const places = ['a', 'a', 'a', 'b'].map((source) => enter(source));
  enter('c');
  time.advance(249);
  assert.deepEqual(noted.evicted, []);
  for (const place of places) place?.proven();
  time.advance(10_000);
  assert.deepEqual(noted.evicted, []);
  places[0]?.leave();
  assert.equal(noted.started.at(-1), 'c');
});

test('a slow handshake gives way only when others wait for its place', () => {
  const { gate, time, noted, enter } = gateOf({ handshakesPerSource: 2 });
  for (const source of ['b', 'a', 'a']) enter(source);
  time.advance(60_000);
  assert.deepEqual(noted.evicted, []);
  enter('a');
  assert.deepEqual(noted.evicted, ['a'], 'b is not in the way');
  assert.equal(gate.running, 3);
  enter('a');
  time.advance(0);
  assert.deepEqual(noted.evicted, ['a', 'a']);
  enter('a');
  time.advance(2_999);
  assert.equal(noted.evicted.length, 2);
  time.advance(1);
  assert.equal(noted.evicted.length, 3);
});

test('networks around a host are bounded too', () => {
  const { gate, enter } = gateOf({ handshakes: 100, handshakesPerSource: 2 });
  for (let host = 0; host < 30; host++) enter(`host ${host}`, `site ${host >> 3}`, 'provider');
  assert.equal(gate.running, 8);
  const one = gateOf({ handshakes: 100, handshakesPerSource: 2 });
  for (let host = 0; host < 30; host++) one.enter(`host ${host}`, 'site', 'provider');
  assert.equal(one.gate.running, 4);
});

test('a guest that left does not wait, and the longest queue makes room for others', () => {
  const { gate, noted, enter } = gateOf({ handshakes: 1, waitingUpgrades: 10, waitingPerSource: 9 });
  const running = enter('a');
  const waiting = Array.from({ length: 9 }, () => enter('a'));
  assert.equal(enter('a'), null, 'too many of one source');
  for (const place of waiting.slice(0, 4)) place?.leave();
  assert.equal(gate.waiting, 5);
  for (let n = 0; n < 5; n++) enter(`b${n}`);
  assert.notEqual(enter('c'), null);
  assert.deepEqual([noted.dropped, gate.waiting], [['a', 'a', 'a'], 8]);
  for (let n = 0; n < 2; n++) enter(`d${n}`);
  assert.notEqual(enter('e'), null);
  running?.leave();
  assert.deepEqual(noted.started, ['a', 'a']);
  gate.clear();
  assert.equal(gate.waiting, 0);
});

test('an allowance has a burst and a rate per second', () => {
  const allowance = new Allowance(10, 2, 0);
  assert.deepEqual([allowance.spend(10, 0), allowance.spend(1, 0), allowance.spend(1, 1_000)], [true, false, true]);
  const full = new Allowance(10, 2, 0);
  assert.equal(full.spend(11, 1_000_000), false, 'unused allowance does not add up');
  assert.equal(new Allowance(1, 1_000, 1_000).spend(2, 0), false, 'a clock that goes back gives nothing');
});

test('failures are counted, forgotten with time, and kept for a bounded number of sources', () => {
  const limiter = new FailureLimiter({ failures: 2, failureForgottenMs: 1_000, failingSources: 3 });
  limiter.failed(['a'], 0);
  assert.equal(limiter.waitMs(['a'], 0), 0);
  limiter.failed(['a'], 0);
  assert.equal(limiter.waitMs(['a'], 0), 1_000);
  assert.equal(limiter.waitMs(['a'], 999), 1);
  assert.equal(limiter.waitMs(['a'], 1_000), 0);
  for (const source of 'bcdef') limiter.failed([source], 1_000);
  assert.equal(limiter.size, 3);
  assert.equal(limiter.waitMs(['f'], 10_000), 0);
  assert.equal(limiter.size, 2);
});

test('networks around a host may fail more often, within a bound', () => {
  const limiter = new FailureLimiter({ failures: 2, failureForgottenMs: 1_000, failingSources: 1_000 });
  const from = (site: number, host: number) => [`host ${site}.${host}`, `site ${site}`, 'provider'];
  for (let host = 0; host < 8; host++) limiter.failed(from(0, host), 0);
  assert.ok(limiter.waitMs(from(0, 99), 0) > 0, 'its site has had enough');
  assert.equal(limiter.waitMs(from(1, 0), 0), 0);
  for (let n = 0; n < 24; n++) limiter.failed(from(1 + n, 0), 0);
  assert.ok(limiter.waitMs(from(99, 0), 0) > 0, 'its provider has had enough');
  assert.equal(limiter.waitMs(['elsewhere'], 0), 0);
});

test('sources are IPv4 addresses, and IPv6 networks of a host, a site and a provider’s customer', () => {
  assert.deepEqual(sourcesOf('192.0.2.1'), ['192.0.2.1']);
  assert.deepEqual(sourcesOf('::ffff:c000:201'), ['192.0.2.1'], 'an IPv4 address in another spelling');
  assert.deepEqual(sourcesOf('2001:db8::1'), sourcesOf('2001:db8::ffff:1'));
  const same = (a: string, b: string) => sourcesOf(a).map((source, width) => source === sourcesOf(b)[width]);
  assert.deepEqual(same('2001:db8::1', '2001:db8:0:1::1'), [false, true, true]);
  assert.deepEqual(same('2001:db8::1', '2001:db8:0:100::1'), [false, false, true]);
  assert.deepEqual(same('2001:db8::1', '2001:db8:1::1'), [false, false, false]);
});

test('a queue runs a slice at a time, and a waiting task once', async () => {
  const soon: (() => void)[] = [];
  const time = new ManualTime();
  const queue = new WorkQueue({ after: time.after, soon: (run) => void soon.push(run) }, time.clock);
  let done = 0;
  const again = () => void done++;
  for (let i = 0; i < 500; i++) {
    queue.add(() => void done++, 'devices');
    queue.add(again, 'devices');
  }
  const slices: number[] = [];
  for (let run = soon.shift(); run !== undefined; run = soon.shift()) {
    run();
    slices.push(done);
  }
  assert.deepEqual(slices, [200, 400, 501]);
});

test('gateways that must close something come first, then gateways that open, then devices; no lane starves', () => {
  const time = new ManualTime();
  const soon: (() => void)[] = [];
  const queue = new WorkQueue({ after: time.after, soon: (run) => void soon.push(run) }, time.clock);
  const order: string[] = [];
  const task = (name: string) => () => void order.push(name);
  const moved = task('moved');
  queue.add(moved, 'devices');
  for (const lane of ['arrivals', 'devices', 'gateways', 'closing'] as const)
    for (let i = 0; i < 3; i++) queue.add(task(lane), lane);
  queue.add(moved, 'closing');
  queue.add(moved, 'devices');
  for (let run = soon.shift(); run !== undefined; run = soon.shift()) run();
  const three = (name: string) => [name, name, name];
  assert.deepEqual(order, [
    ...three('closing'),
    'moved',
    ...three('gateways'),
    ...three('devices'),
    ...three('arrivals'),
  ]);

  order.length = 0;
  let closing = 0;
  const endless = () => {
    if (++closing < 1_000 && !order.includes('device')) queue.add(() => endless(), 'closing');
  };
  queue.add(endless, 'closing');
  queue.add(task('device'), 'devices');
  for (let run = soon.shift(); run !== undefined; run = soon.shift()) run();
  assert.ok(closing < 100, `the device waited for ${closing} tasks of gateways`);
});

test('an alarm follows a moving deadline with one timer', () => {
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

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProbeItem, ProbeResult } from '@sallyport/contract/channel';
import { ProbeSchedule } from './schedule.ts';

const item = (id: string, port: number | null = 80): ProbeItem => ({
  kind: 'probe',
  key: `probe/${id}`,
  id,
  resource: `r-${id}`,
  target: '10.0.0.1',
  port,
});
const answer = (id: string, reachable: boolean): ProbeResult => ({
  id,
  resource: `r-${id}`,
  reachable,
  detail: '',
  ...(reachable && { rttMs: 1 }),
});

test('a dead target is reported within two seconds, and not after a single lost answer', () => {
  const schedule = new ProbeSchedule();
  schedule.expect([item('a')], 0);
  schedule.take(0);
  assert.equal(schedule.done(answer('a', true), 1)?.reachable, true, 'the first outcome is news');
  let now = schedule.nextDeadline() ?? 0;
  const [probe] = schedule.take(now);
  assert.ok(probe !== undefined && probe.timeoutMs <= 300);
  now += probe.timeoutMs;
  assert.equal(schedule.done(answer('a', false), now), null);
  now = schedule.nextDeadline() ?? 0;
  schedule.take(now);
  assert.equal(schedule.done(answer('a', true), now), null, 'it was only one');
  for (let lost = 0; lost < 2; lost++) {
    now = schedule.nextDeadline() ?? 0;
    now += schedule.take(now)[0]?.timeoutMs ?? 0;
    const news = schedule.done(answer('a', false), now);
    assert.equal(news?.reachable ?? null, lost === 0 ? null : false);
  }
  assert.ok(now < 4_000);
});

test('a dead target with echo probes only is reported within three seconds', () => {
  const schedule = new ProbeSchedule();
  schedule.expect([item('a', null)], 0);
  schedule.take(0);
  schedule.done(answer('a', true), 1);
  let now = 1;
  for (let told = false; !told; ) {
    now = schedule.nextDeadline() ?? 0;
    now += (schedule.take(now)[0]?.timeoutMs ?? 0) + 200;
    told = schedule.done(answer('a', false), now) !== null;
  }
  assert.ok(now <= 3_001, `${now}`);
});

test('a recovered target is reported at once', () => {
  const schedule = new ProbeSchedule();
  schedule.expect([item('a')], 0);
  schedule.take(0);
  assert.equal(schedule.done(answer('a', false), 1)?.reachable, false);
  schedule.take(schedule.nextDeadline() ?? 0);
  assert.equal(schedule.done(answer('a', true), 1_001)?.reachable, true);
});

test('many targets are probed less often each, with bounded parallelism', () => {
  const schedule = new ProbeSchedule();
  const items = Array.from({ length: 500 }, (_, n) => item(String(n)));
  schedule.expect(items, 0);
  let probes = 0;
  for (let now = 0; now < 60_000; now += 100) {
    const due = schedule.take(now);
    assert.ok(due.length <= 32);
    probes += due.length;
    for (const { item: probed } of due) schedule.done(answer(probed.id, true), now);
  }
  assert.ok(schedule.complete);
  assert.ok(probes <= 500 * 4 && probes >= 500 * 2, `${probes}`);
});

test('removed targets are forgotten, and kept targets are not probed again', () => {
  const schedule = new ProbeSchedule();
  schedule.expect([item('a'), item('b')], 0);
  for (const { item: probed } of schedule.take(60_000)) schedule.done(answer(probed.id, true), 60_000);
  schedule.expect([item('b'), item('c')], 60_001);
  assert.deepEqual(
    schedule.results.map(({ id }) => id),
    ['b'],
  );
  assert.equal(schedule.done(answer('a', false), 60_002), null);
});

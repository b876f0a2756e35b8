import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Bench, benchStart as start } from '../testing/bench.ts';
import { AgentSession } from './session.ts';
import type { Effect } from './types.ts';

describe('a clock that is set back', () => {
  const hour = 3_600_000;
  const waits = (bench: Bench) => (bench.session.nextDeadline()?.at ?? Number.POSITIVE_INFINITY) - bench.now;

  it('does not keep the agent from trying again', () => {
    const bench = new Bench().deployed();
    bench.input({ kind: 'closed', connection: bench.connection, reason: 'test' });
    bench.now -= hour;
    bench.input({ kind: 'tick' });
    assert.ok(waits(bench) <= 500, `the next try is in ${waits(bench)} ms`);
    bench.now += waits(bench);
    assert.ok(bench.input({ kind: 'tick' }).some(({ kind }) => kind === 'connect'));
  });

  it('does not stop heartbeats, sweeps and retries', () => {
    const bench = new Bench().deployed();
    bench.now -= hour;
    bench.input({ kind: 'tick' });
    assert.ok(waits(bench) <= 10_000, `the next heartbeat is in ${waits(bench)} ms`);
    const load = bench.input({ kind: 'drift', reason: 'test' }).find(({ kind }) => kind === 'apply');
    assert.ok(load?.kind === 'apply');
    bench.input({ kind: 'apply-failed', job: load.job, code: 'test', message: 'test' });
    bench.input({ kind: 'closed', connection: bench.connection, reason: 'test' });
    bench.now -= hour;
    bench.input({ kind: 'tick' });
    assert.ok(waits(bench) <= 1_000, `the next attempt is in ${waits(bench)} ms`);
  });

  it('does not make the lease end earlier by the clock', () => {
    const bench = new Bench().deployed();
    bench.input({ kind: 'closed', connection: bench.connection, reason: 'test' });
    bench.now -= 10_000;
    bench.input({ kind: 'tick' });
    bench.now = start + bench.controller.leaseMs - 1;
    assert.notEqual(bench.work(bench.input({ kind: 'tick' }))?.kind, 'close');
    bench.finish();
    bench.now += 1;
    assert.equal(bench.work(bench.input({ kind: 'tick' }))?.kind, 'close');
  });
});

describe('a clock that differs from the controller', () => {
  const hour = 3_600_000;
  const clocks = (effects: readonly Effect[]) => effects.filter(({ kind }) => kind === 'clock');

  it('is corrected at the welcome, and all timeouts are set again', () => {
    const bench = new Bench();
    bench.start();
    bench.finish();
    bench.aheadMs = hour;
    const effects = bench.open();
    assert.deepEqual(clocks(effects), [{ kind: 'clock', shiftMs: hour, heard: true }]);
    bench.finish();
    const load = bench.session.desired.statement;
    assert.equal(load?.leaseUntil, bench.now + bench.controller.leaseMs);
    const works = bench.effects.flatMap((effect) => (effect.kind === 'apply' ? [effect.work] : []));
    assert.ok(works.some((work) => work.kind === 'load' && work.retimed));
    assert.ok((bench.session.nextDeadline()?.at ?? 0) - bench.now <= 10_000);
    assert.equal(bench.session.phase, 'live');
  });

  it('is corrected when a signed state is later than it, and never by an earlier one', () => {
    const bench = new Bench().deployed();
    assert.deepEqual(clocks(bench.from(bench.controller.lease(bench.now - 5_000))), []);
    assert.deepEqual(clocks(bench.from(bench.controller.lease(bench.now + 500))), []);
    const effects = bench.from(bench.controller.lease(bench.now + 5_000));
    assert.deepEqual(clocks(effects), [{ kind: 'clock', shiftMs: 5_000, heard: true }]);
  });

  it('was behind when the state was stored: a lease ends early at a cold start rather than late', () => {
    const bench = new Bench().deployed();
    const stored = bench.session.stored(bench.now, bench.now - hour);
    const lease = bench.session.desired.statement?.leaseUntil ?? Number.NaN;
    const restart = (hostNow: number) => {
      bench.session = new AgentSession(bench.config({ enrolled: true, controllerKey: bench.controller.key.publicKey }));
      bench.now = hostNow;
      return bench.start(stored);
    };
    assert.equal(bench.work(restart(lease - hour))?.kind, 'close');
    const effects = restart(lease - hour - 1);
    assert.equal(bench.work(effects)?.kind, 'load');
    assert.deepEqual(clocks(effects), [{ kind: 'clock', shiftMs: hour, heard: false }]);
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Liveness } from './liveness.ts';
import { defaultPathsTiming } from './types.ts';

/** Known to be so far away, and under load. */
function known(rttMs: number): Liveness {
  const liveness = new Liveness(defaultPathsTiming);
  for (let probe = -5; probe < 0; probe += 1) {
    liveness.sent(probe, probe * 1_000);
    liveness.answered(probe, rttMs);
  }
  liveness.active = true;
  return liveness;
}

/** Probes when they are due and looks every 10 ms; returns when the path was lost. */
function lostAt(liveness: Liveness, untilMs: number, answers: (sentAt: number) => number | null = () => null): number {
  const pending = new Map<number, { at: number; answerAt: number }>();
  for (let now = 0; now <= untilMs; now += 10) {
    for (const [probe, { at, answerAt }] of pending) {
      if (now < answerAt) continue;
      liveness.answered(probe, now - at);
      pending.delete(probe);
    }
    liveness.look(now);
    if (liveness.isLost) return now;
    if (!liveness.isDue(now)) continue;
    liveness.sent(now, now);
    const afterMs = answers(now);
    if (afterMs !== null) pending.set(now, { at: now, answerAt: now + afterMs });
  }
  return Number.POSITIVE_INFINITY;
}

describe('a path that does not answer', () => {
  it('is lost after three probes, sooner when it is near', () => {
    assert.equal(lostAt(known(10), 5_000), 750);
    assert.equal(lostAt(known(300), 5_000), 1_400);
  });

  it('is not lost because load delays its answers, or some are lost', () => {
    assert.equal(
      lostAt(known(10), 60_000, () => 600),
      Number.POSITIVE_INFINITY,
    );
    assert.equal(
      lostAt(known(10), 60_000, (at) => (at % 1_500 === 0 ? 10 : null)),
      750 + 250,
    );
    assert.equal(
      lostAt(known(10), 60_000, (at) => (at % 750 === 0 ? 10 : null)),
      Number.POSITIVE_INFINITY,
    );
  });

  it('is not lost after a late check, because answers may be unread', () => {
    const liveness = known(300);
    for (const at of [0, 250, 500, 750]) liveness.sent(at, at);
    liveness.look(2_500);
    assert.equal(liveness.isLost, false);
    liveness.look(2_600);
    assert.equal(liveness.isLost, true);
    assert.equal(liveness.answered(500, 2_100), true);
    assert.equal(liveness.isLost, false);
  });
});

describe('the round-trip time', () => {
  it('is the minimum of the last five, so that load does not look like distance', () => {
    const liveness = known(10);
    for (const [probe, rttMs] of [200, 300, 400, 500].entries()) {
      liveness.sent(probe, 0);
      liveness.answered(probe, rttMs);
    }
    assert.equal(liveness.rttMs, 10);
    liveness.sent(9, 0);
    liveness.answered(9, 250);
    assert.equal(liveness.rttMs, 200);
  });
});

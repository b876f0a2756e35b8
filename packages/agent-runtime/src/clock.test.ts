import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentClock } from './clock.ts';

test('the clock follows the host until the first message of the controller, and ignores later jumps of the host', () => {
  let [host, boot] = [1_000_000, 500];
  const clock = new AgentClock(
    () => host,
    () => boot,
  );
  const pass = (ms: number) => {
    host += ms;
    boot += ms;
  };
  assert.equal(clock.now(), 1_000_000);
  host -= 400_000;
  assert.equal(clock.now(), 600_000);
  clock.shift(50_000, false);
  pass(1_000);
  assert.equal(clock.now(), 651_000);
  clock.shift(-1_000, true);
  host += 9_000_000;
  pass(2_000);
  assert.equal(clock.now(), 652_000);
  assert.equal(clock.hostNow(), 9_603_000);
  clock.shift(3_000, false);
  host -= 20_000_000;
  pass(1_000);
  assert.equal(clock.now(), 656_000);
});

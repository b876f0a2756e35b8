import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Elapsed } from './elapsed.ts';

/** Clocks of a machine that a test sets. */
class Machine {
  #monotonic = 5_000;
  #wall = 1_800_000_000_000;
  #uptime = 77_000;
  looks = 0;
  readonly elapsed = new Elapsed({
    monotonic: () => this.#monotonic,
    wall: () => this.#wall,
    uptime: () => {
      this.looks++;
      return Math.floor(this.#uptime / 10) * 10;
    },
  });

  runs(ms: number): void {
    this.#monotonic += ms;
    this.suspends(ms);
  }

  suspends(ms: number): void {
    this.#uptime += ms;
    this.setClock(ms);
  }

  setClock(byMs: number): void {
    this.#wall += byMs;
  }
}

test('elapsed time goes on evenly when the clock is set forward, back, and little by little', () => {
  const machine = new Machine();
  const began = machine.elapsed.now();
  machine.runs(1_000);
  for (const ms of [3_600_000, -7_200_000, 99, 300]) {
    machine.setClock(ms);
    machine.runs(1_000);
    machine.elapsed.now();
  }
  for (let n = 0; n < 1_000; n++) {
    machine.setClock(1);
    machine.runs(1);
    machine.elapsed.now();
  }
  assert.equal(machine.elapsed.now() - began, 6_000);
});

test('elapsed time counts what a suspended machine has slept, whatever its clock does besides', () => {
  const machine = new Machine();
  const began = machine.elapsed.now();
  machine.suspends(60_000);
  assert.ok(Math.abs(machine.elapsed.now() - began - 60_000) <= 10);
  machine.runs(1_000);
  machine.setClock(-3_600_000);
  machine.suspends(30_000);
  machine.runs(1_000);
  assert.ok(Math.abs(machine.elapsed.now() - began - 92_000) <= 10);
});

test('the uptime is looked at only when the clocks disagree', () => {
  const machine = new Machine();
  const { looks } = machine;
  for (let n = 0; n < 100; n++) {
    machine.runs(500);
    machine.elapsed.now();
  }
  assert.equal(machine.looks, looks);
});

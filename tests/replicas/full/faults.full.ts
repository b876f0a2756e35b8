import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { whyNoNamespaces } from '@sallyport/testkit';
import { LoadedReplicas, type LoadReport } from '../../lab/replica-faults.ts';

const skip = whyNoNamespaces() ?? false;
/** How long the load runs, seconds, and what decides the order of the faults. */
const seconds = Number(process.env.FAULT_SECONDS ?? 600);
const seed = Number(process.env.FAULT_SEED ?? randomInt(2 ** 31));
/** Packets that a busy machine may lose more beside one run than beside the other. */
const noise = 3;

test('faults of controllers and their database lose no packet, no acknowledged write and no revocation', {
  skip,
  timeout: (seconds + 400) * 1_000,
}, async (t) => {
  t.diagnostic(`seed ${seed}, ${seconds} s`);
  const [disturbed, undisturbed] = await Promise.all([LoadedReplicas.start(), LoadedReplicas.start()]);
  t.after(() => Promise.all([disturbed.end(), undisturbed.end()]));
  const load = { seed, durationMs: seconds * 1_000 };
  const [faults, none] = await Promise.all([
    disturbed.run({ ...load, faults: true, tell: console.log }),
    undisturbed.run({ ...load, faults: false }),
  ]);
  console.log(tableOf(faults, none));
  assert.deepEqual([faults.wrong, none.wrong], [[], []]);
  const lost = ({ flows }: LoadReport) => flows.office.lost + flows.plant.lost;
  assert.ok(lost(faults) <= lost(none) + noise, `${lost(faults)} packets lost, ${lost(none)} without faults`);
  assert.ok(faults.writes.acknowledged > 0 && none.writes.acknowledged > 0);
  const late = faults.killedMs.filter((ms) => ms > 5_000);
  assert.deepEqual(late, [], 'agents of a controller that was killed are at another one within five seconds');
});

function tableOf(faults: LoadReport, none: LoadReport): string {
  const row = (name: string, value: (report: LoadReport) => unknown) =>
    `| ${name.padEnd(46)} | ${String(value(faults)).padStart(14)} | ${String(value(none)).padStart(14)} |`;
  const times = (all: readonly number[]) =>
    all.length === 0
      ? '-'
      : `${Math.round(all.toSorted((a, b) => a - b)[all.length >> 1] ?? 0)}, ${Math.round(Math.max(...all))}`;
  return [
    row('', (report) => (report === faults ? 'faults' : 'none')),
    row('packets sent, office', ({ flows }) => flows.office.sent),
    row('packets lost, office', ({ flows }) => flows.office.lost),
    row('packets sent, plant', ({ flows }) => flows.plant.sent),
    row('packets lost, plant', ({ flows }) => flows.plant.lost),
    row('writes acknowledged', ({ writes }) => writes.acknowledged),
    row('requests sent again', ({ writes }) => writes.repeated),
    row('acknowledged writes or revocations lost', ({ wrong }) => wrong.length),
    row('controllers killed', ({ killedMs }) => killedMs.length),
    row('agents back after a kill, median, most (ms)', ({ killedMs }) => times(killedMs)),
    row('controllers stopped', ({ stoppedMs }) => stoppedMs.length),
    row('agents back after a stop, median, most (ms)', ({ stoppedMs }) => times(stoppedMs)),
    row('controllers cut off', ({ vanishedMs }) => vanishedMs.length),
    row('agents elsewhere after a cut, median, most (ms)', ({ vanishedMs }) => times(vanishedMs)),
  ].join('\n');
}

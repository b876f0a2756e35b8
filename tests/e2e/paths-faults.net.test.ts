import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { whyNoNamespaces } from '@sallyport/testkit';
import { faultLab, faultRun } from '../lab/faults.ts';

test('a minute of faults at random, under requests: they go on, and all converges', {
  skip: whyNoNamespaces() ?? false,
}, async (t) => {
  const s = await faultLab();
  t.after(() => s.cleanup.run());
  const seed = randomInt(2 ** 31);
  t.diagnostic(`seed ${seed}`);
  const report = await faultRun(s, { seed, durationMs: 60_000 });
  t.diagnostic(
    `${report.failed} of ${report.requests} requests failed, longest gap ${Math.round(report.longestGapMs)} ms`,
  );
  // That all has converged in the end, the run itself has waited for.
  assert.ok(report.requests > 0);
  if (hasUntoldFault(report.story)) return t.diagnostic('a LAN was lost that nobody could tell of: gaps say nothing');
  assert.ok(report.failed < report.requests / 2, report.story.join('\n'));
  assert.ok(report.longestGapMs < 5_000, `at ${report.longestGapAt} s of:\n${report.story.join('\n')}`);
});

/** A lost LAN is seen by the gateway's agent and told by the controller: without one of them devices go on hoping. */
function hasUntoldFault(story: readonly string[]): boolean {
  const faults = story.map((line) => line.replace(/^[0-9.]+ s: /, ''));
  const away = new Set<string>();
  for (const fault of faults) {
    const [, gateway] = /^(\w+) loses its LAN$/.exec(fault) ?? [];
    const silent = [...away].some(
      (other) => other.startsWith('the controller') || other.endsWith(` ${gateway} is killed`),
    );
    if (gateway !== undefined && silent) return true;
    if (fault.endsWith(' is over')) away.delete(fault.replace(/ is over$/, ''));
    else away.add(fault);
    const lanless = [...away].some((other) => other.endsWith('loses its LAN'));
    if (lanless && /^the (controller|agent)/.test(fault) && !fault.endsWith(' is over')) return true;
  }
  return false;
}

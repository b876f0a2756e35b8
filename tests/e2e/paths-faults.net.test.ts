import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { whyNoNamespaces } from '@sallyport/testkit';
import { faultLab, faultRun } from '../lab/faults.ts';

test('requests continue and all state converges through a minute of random faults', {
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
  // The run itself has waited for convergence.
  assert.ok(report.requests > 0);
  assert.ok(report.failed < report.requests / 2, report.story.join('\n'));
  assert.ok(report.longestGapMs < 5_000, `at ${report.longestGapAt} s of:\n${report.story.join('\n')}`);
});

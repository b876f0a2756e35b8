import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fuzz } from './runner.ts';
import { findTargets } from './targets.ts';

const extent = { inputs: 1_000, least: 50, milliseconds: 1_000 };

for (const file of findTargets()) {
  test(`fuzz: ${file.name}`, async (t) => {
    const seed = randomInt(2 ** 31);
    const { inputs, slowestMs, largestBytes, failure } = await fuzz(file, { ...extent, seed });
    t.diagnostic(`${inputs} inputs, worst ${slowestMs.toFixed(0)} ms, ${(largestBytes / 1e6).toFixed(1)} MB`);
    assert.equal(
      failure,
      null,
      `${failure?.message}\nto repeat: npm run fuzz -- --target ${file.name} --seed ${failure?.seed} --inputs 1`,
    );
  });
}

test('an input that throws, is slow, or fills the heap fails and is reported', async (t) => {
  const cases: [string, RegExp][] = [
    ['throw new Error("this one")', /this one/],
    [
      'const before = process.threadCpuUsage(); while (process.threadCpuUsage(before).user < 300_000) for (let i = 0; i < 1e6; i++);',
      /ms of CPU time/,
    ],
    ['globalThis.kept ??= []; kept.push(Buffer.alloc(80e6))', /MB of heap/],
    ['for (const kept = [];;) kept.push(new Array(1e6).fill(1.5))', /memory/],
  ];
  for (const [statement, expected] of cases) {
    const file = await targetOf(t, `if (random() < 0.2) { ${statement} }`);
    const { failure } = await fuzz(file, { seed: 7, inputs: 1_000, milliseconds: 60_000, heapMegabytes: 64 });
    assert.match(failure?.message ?? 'no failure', expected);
    const again = await fuzz(file, { seed: failure?.seed ?? 0, inputs: 1, milliseconds: 60_000, heapMegabytes: 64 });
    assert.match(again.failure?.message ?? 'no failure', expected, 'the seed repeats it');
  }
});

test('inputs within the bounds pass, and the runner feeds only the requested number', async (t) => {
  const file = await targetOf(t, 'random();');
  const { inputs, failure } = await fuzz(file, { seed: 1, inputs: 100, milliseconds: 60_000, heapMegabytes: 64 });
  assert.deepEqual({ inputs, failure }, { inputs: 100, failure: null });
});

async function targetOf(t: TestContext, body: string) {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-fuzz-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'made.ts');
  await writeFile(path, `export const name = 'made';\nexport function target(random) { ${body} }\n`);
  return { name: 'made', path };
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectionLimits } from './connection-limits.ts';
import { SourceCounts } from './source-counts.ts';

test('limits of connections leave files for everything else, whatever the limit of open files', () => {
  for (const descriptors of [256, 400, 1024, 20_000, 1_048_576, Number.MAX_SAFE_INTEGER]) {
    const { total, proven, unproven, keptForKnown, perSource } = connectionLimits(descriptors);
    assert.ok(total <= descriptors - 64);
    assert.ok(proven < total && unproven < total);
    assert.ok(perSource * 4 < unproven && keptForKnown < unproven);
  }
});

test('the source with most members is found after every change', () => {
  const counts = new SourceCounts<number>();
  const members = new Map<string, number[]>();
  let seed = 7;
  const dice = (sides: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return seed % sides;
  };
  for (let step = 0; step < 2_000; step++) {
    const source = `source ${dice(9)}`;
    const own = members.get(source) ?? [];
    members.set(source, own);
    if (dice(5) < 2 && own.length > 0) counts.remove(source, own.shift() ?? 0);
    else {
      own.push(step);
      counts.add(source, step);
    }
    const most = Math.max(...[...members.values()].map(({ length }) => length));
    const greediest = counts.greediest();
    assert.equal(greediest === null ? 0 : counts.count(greediest), most);
    assert.deepEqual([...counts.of(source)], own);
  }
});

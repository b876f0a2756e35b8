import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { z } from 'zod';
import { LossyFacts } from '../testing/lossy-facts.ts';
import { SharedFacts } from './shared-facts.ts';
import type { Replicas } from './types.ts';

const quiet = { warn: () => assert.fail('no fact is malformed') };

function sharing(replicas: Replicas, now: () => number) {
  const values = new Map<string, number | null>();
  const facts = new SharedFacts({
    ...{ replicas, kind: 'level', now, value: z.number(), log: quiet },
    changed: (object, { value }) => void values.set(object, value),
  });
  return { facts, values };
}

test('replicas agree in the end, whatever is stored late, heard late or lost, and so does one that starts then', () => {
  const step = fc.record({
    what: fc.constantFrom('learn', 'learn', 'store', 'store', 'pass'),
    replica: fc.nat(2),
    object: fc.constantFrom('a', 'b'),
    value: fc.option(fc.nat(99)),
    heard: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
  });
  const property = fc.property(
    fc.array(step, { maxLength: 40 }),
    fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 3, maxLength: 3 }),
    fc.option(fc.nat(2)),
    (steps, skews, killed) => {
      let time = 1000;
      const network = new LossyFacts();
      const nodes = skews.map((skew) => {
        const now = () => time + skew;
        const replicas = network.join(now);
        return { replicas, ...sharing(replicas, now) };
      });
      for (const { what, replica, object, value, heard } of steps) {
        if (what === 'learn') nodes[replica]?.facts.learnt('t', object, value);
        else if (what === 'store') network.store(replica, (other) => heard[other] ?? false);
        else time += 5;
      }
      const [dead] = killed === null ? [] : nodes.splice(killed, 1);
      if (dead !== undefined) network.kill(dead.replicas);
      network.settle();
      const late = sharing(
        network.join(() => time),
        () => time,
      );
      for (const { values } of nodes) assert.deepEqual([...late.values].sort(), [...values].sort());
      for (const object of late.values.keys()) {
        const ats = nodes.map(({ facts }) => facts.of(object)?.at ?? 0);
        assert.equal(late.facts.of(object)?.at, Math.max(...ats));
      }
    },
  );
  fc.assert(property, { numRuns: 300 });
});

test('what is learnt last at one replica counts, even when the clock stands or goes back', () => {
  let time = 1000;
  const network = new LossyFacts();
  const [one, two] = [network.join(() => time), network.join(() => time)].map((replicas) =>
    sharing(replicas, () => time),
  );
  for (const value of [1, 2, 3]) {
    one?.facts.learnt('t', 'a', value);
    time -= 10;
  }
  network.settle();
  assert.equal(two?.values.get('a'), 3);
  two?.facts.learnt('t', 'a', 4);
  network.settle();
  assert.equal(one?.values.get('a'), 4);
});

test('malformed facts are ignored, and the objects forgotten first are those without news', () => {
  const warnings: object[] = [];
  const network = new LossyFacts();
  const replicas = network.join(() => 1);
  const facts = new SharedFacts({
    ...{ replicas, kind: 'level', now: () => 1, value: z.number(), changed: () => undefined, limit: 2 },
    log: { warn: (about: object) => void warnings.push(about) },
  });
  const other = network.join(() => 1);
  for (const value of [null, 7, { value: 'high', at: 1, by: 'x' }, { value: 1, at: '1', by: 'x' }]) {
    other.facts.publish({ tenant: 't', kind: 'level', object: 'a', value, generation: 0 });
    network.store(1, () => true);
  }
  assert.equal(warnings.length, 1, 'one line for each replica');
  assert.equal(facts.of('a'), undefined);
  for (const object of ['a', 'b', 'a', 'c']) facts.learnt('t', object, 1);
  assert.deepEqual(
    ['a', 'b', 'c'].map((object) => facts.of(object) !== undefined),
    [true, false, true],
  );
});

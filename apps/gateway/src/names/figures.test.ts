import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NameFigures } from '@sallyport/contract/channel';
import { Figures } from './figures.ts';
import type { NameState } from './resolver.ts';

test('queries are counted by result, questions with their time, and names by whether they resolve', () => {
  const figures = new Figures();
  const answer = (rcode: number) => Buffer.from([0, 0, 0x80, 0x80 | rcode]);
  for (const each of [answer(0), answer(0), answer(3), answer(5), answer(9), null]) figures.answered(each);
  figures.asked(true, 12.4);
  figures.asked(true, 0.2);
  figures.asked(false, 2_000);
  const state = (addresses: string[]): NameState => ({ A: { addresses, at: 0 }, AAAA: null, fault: null });
  const states = new Map([
    ['a', state(['10.0.0.1'])],
    ['b', state([])],
  ]);
  const told = figures.of(states);
  assert.deepEqual(told, {
    ...{ resolved: 1, unresolved: 1, asked: { answered: 2, failed: 1, ms: 2013 } },
    queries: { noerror: 2, nxdomain: 1, refused: 1, other: 1, ignored: 1 },
  });
  assert.deepEqual(NameFigures.parse(told), told);
});

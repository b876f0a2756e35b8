import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { StateDirectory } from '@sallyport/agent-runtime';
import { formatAnswers, readAnswers } from './memory.ts';
import type { NameState } from './resolver.ts';

const known = (...addresses: string[]) => ({ addresses, at: 1_000_000 });

test('answers come back from the disk as they were, without faults', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-names-'));
  t.after(() => rm(folder, { recursive: true }));
  const directory = StateDirectory.at(folder);
  const states = new Map<string, NameState>([
    ['wiki.corp.example', { A: known('10.0.0.1', '10.0.0.2'), AAAA: known('fd20::1'), fault: null }],
    ['"\\', { A: null, AAAA: known(), fault: 'it has no address' }],
  ]);
  await directory.write('names.json', await formatAnswers(states));
  const expected = new Map([...states].map(([name, state]) => [name, { ...state, fault: null }]));
  assert.deepEqual(await readAnswers(directory), expected);
  await directory.write('names.json', await formatAnswers(new Map()));
  assert.deepEqual(await readAnswers(directory), new Map());
  await directory.write('names.json', '{"wiki": {"A": {"addresses": ["10.0.0.1"]');
  assert.deepEqual(await readAnswers(directory), new Map());
});

test('many answers are serialised without holding up everything else', async () => {
  const states = new Map(
    Array.from({ length: 10_000 }, (_, n): [string, NameState] => [
      `n${n}`,
      { A: known('10.0.0.1'), AAAA: null, fault: null },
    ]),
  );
  let turns = 0;
  let ended = false;
  const turn = (): void => {
    turns += 1;
    if (!ended) setImmediate(turn);
  };
  setImmediate(turn);
  const text = await formatAnswers(states);
  ended = true;
  assert.equal(Object.keys(JSON.parse(text)).length, 10_000);
  assert.ok(turns >= 20, `only ${turns} turns of the event loop`);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EndpointNames } from './endpoint-names.ts';

const settings = { allow: [], deny: ['198.51.100.0/24'], details: false };

/** Names with what a resolver answers for each; counts its questions. */
function resolver(answers: Record<string, readonly string[]>) {
  const asked: string[] = [];
  const look = async (name: string): Promise<string[]> => {
    asked.push(name);
    const answer = answers[name];
    if (answer === undefined) throw new Error('ENOTFOUND');
    return [...answer];
  };
  return { asked, look };
}

test('public addresses are told, others and failures are not', async () => {
  const { look } = resolver({
    public: ['203.0.113.2', '203.0.113.1', '203.0.113.2'],
    private: ['10.0.0.1'],
    mixed: ['203.0.113.1', '10.0.0.1'],
    denied: ['198.51.100.1'],
    hidden: ['::ffff:10.0.0.1'],
    own: ['127.0.0.1'],
    empty: [],
  });
  const names = new EndpointNames(settings, () => 0, look);
  assert.deepEqual(await names.of('public'), ['203.0.113.1', '203.0.113.2']);
  const others = ['private', 'mixed', 'denied', 'hidden', 'own', 'empty', 'gone'];
  const told = await Promise.all(others.map((name) => names.of(name)));
  assert.deepEqual(new Set(told), new Set([null]));
});

test('with details every address is told', async () => {
  const { look } = resolver({ private: ['10.0.0.1'] });
  const names = new EndpointNames({ ...settings, details: true }, () => 0, look);
  assert.deepEqual([await names.of('private'), await names.of('gone')], [['10.0.0.1'], null]);
});

test('an answer is kept for a minute, also for those who ask at once', async () => {
  let now = 0;
  const { look, asked } = resolver({ a: ['203.0.113.1'] });
  const names = new EndpointNames(settings, () => now, look);
  await Promise.all([names.of('a'), names.of('a')]);
  now = 59_999;
  await names.of('a');
  assert.deepEqual(asked, ['a']);
  now = 60_000;
  await names.of('a');
  assert.deepEqual(asked, ['a', 'a']);
});

test('a resolver that hangs is asked two questions at once, and the others go without an answer', async () => {
  const asked: string[] = [];
  const hang = (name: string): Promise<string[]> => {
    asked.push(name);
    return new Promise(() => undefined);
  };
  const names = new EndpointNames(settings, () => 0, hang);
  const told = await Promise.all(['a', 'b', 'c', 'd'].map((name) => names.of(name)));
  assert.deepEqual(
    [told, asked],
    [
      [null, null, null, null],
      ['a', 'b'],
    ],
  );
});

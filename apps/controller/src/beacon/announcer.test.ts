import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { ManualTime } from '../channel/testing/manual-time.ts';
import { openTestStore } from '../testing/harness.ts';
import { Announcer } from './announcer.ts';

test('a single move is written at once; of continuous moves, the last place is written at growing intervals', async (t) => {
  const timers = new ManualTime();
  const start = timers.clock();
  const written: (readonly [at: number, endpoint: string | null | undefined])[] = [];
  const announcer = new Announcer({
    store: await openTestStore(t),
    directory: {
      observed: async (_, { discoveredEndpoint }) => void written.push([timers.clock() - start, discoveredEndpoint]),
    },
    judged: () => {},
    timers,
    log: { warn: () => assert.fail() },
  });
  t.after(() => announcer.stop());
  const agent = { role: 'gateway', id: 'g', tenant: 't', publicKey: 'k' } as const;
  const seen = async (port: number) => {
    announcer.tell(agent, { kind: 'independent', endpoint: `192.0.2.1:${port}` });
    await turn();
  };
  for (let second = 0; second < 60; second += 0.5) {
    await seen(second * 10);
    timers.advance(500);
    await turn();
  }
  assert.deepEqual(
    written.map(([at]) => at),
    [0, 1_000, 3_000, 7_000, 15_000, 31_000],
  );
  assert.equal(written.at(-1)?.[1], '192.0.2.1:305');
  timers.advance(60_000);
  await turn();
  assert.equal(written.at(-1)?.[1], '192.0.2.1:595');
  timers.advance(60_000);
  await turn();
  await seen(1);
  await seen(2);
  timers.advance(1_000);
  await turn();
  assert.deepEqual(
    written.slice(-2).map(([, endpoint]) => endpoint),
    ['192.0.2.1:1', '192.0.2.1:2'],
  );
});

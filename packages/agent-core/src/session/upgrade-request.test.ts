import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bench } from '../testing/bench.ts';
import { AgentSession } from './session.ts';

const request = '00000000-0000-4000-8000-000000000001';
const other = '00000000-0000-4000-8000-000000000002';

function live(upgrades?: 'allowed'): Bench {
  const bench = new Bench();
  bench.session = new AgentSession({ ...bench.config(), ...(upgrades && { upgrades }) });
  bench.start();
  bench.open();
  assert.equal(bench.session.phase, 'live');
  return bench;
}

test('an agent tells whether its host lets the controller ask for upgrades', () => {
  const told = (bench: Bench) => bench.controller.heard.find((message) => message.type === 'authenticate');
  assert.equal(told(live('allowed'))?.upgrades, 'allowed');
  assert.equal(told(live())?.upgrades, undefined);
});

test('an agent reports an upgrade only on a connection on which it was asked for it', () => {
  const bench = live('allowed');
  const report = (of: string) =>
    bench.sent(bench.input({ kind: 'upgrading', progress: { request: of, state: 'trial' } }));
  assert.deepEqual(report(request), []);
  const effects = bench.from({ type: 'upgrade', request, version: '2.0.0' });
  assert.deepEqual(
    effects.filter(({ kind }) => kind === 'upgrade'),
    [{ kind: 'upgrade', request, version: '2.0.0' }],
  );
  assert.deepEqual(report(request), [{ type: 'upgrading', request, state: 'trial' }]);
  assert.deepEqual(report(other), []);
  bench.reconnect();
  assert.deepEqual(report(request), []);
});

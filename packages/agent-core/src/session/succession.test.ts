import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mostSuccessions } from '@sallyport/contract/channel';
import { Bench, benchToken } from '../testing/bench.ts';
import { succeed } from '../testing/controller.ts';
import { testKey } from '../testing/keys.ts';
import { AgentSession } from './session.ts';

const pins = (effects: readonly { kind: string }[]) => effects.filter(({ kind }) => kind === 'pin');

/** An agent that was away while the controller replaced its key this often. */
function awayDuring(replacements: number) {
  const bench = new Bench().deployed();
  const first = bench.controller.key;
  bench.input({ kind: 'closed', connection: bench.connection, reason: 'test' });
  for (let n = 0; n < replacements; n++) bench.controller.replaceKey();
  return { bench, first };
}

describe('a controller that has replaced its key', () => {
  it('is followed over several replacements, and the new key is pinned with the one before', () => {
    const { bench, first } = awayDuring(3);
    const effects = bench.reconnect();
    assert.equal(bench.session.phase, 'live');
    const controllerKey = bench.controller.key.publicKey;
    assert.deepEqual(pins(effects), [{ kind: 'pin', controllerKey, succeeds: first.publicKey }]);
    assert.ok(
      effects.some(({ kind }) => kind === 'persist'),
      'the state has the new signature',
    );
    assert.deepEqual(pins(bench.reconnect()), [], 'once');
    assert.equal(bench.session.phase, 'live');
  });

  it('enrols an agent whose token carries a key from before', () => {
    const bench = new Bench();
    bench.controller.replaceKey();
    bench.start();
    assert.deepEqual(pins(bench.open()), [{ kind: 'pin', controllerKey: bench.controller.key.publicKey }]);
  });

  it('is not followed back: what the old key signs counts no more', () => {
    const { bench, first } = awayDuring(1);
    const { key, successions } = bench.controller;
    bench.reconnect();
    bench.controller.key = first;
    for (const shown of [[], successions, [succeed(key, testKey())]]) {
      bench.controller.successions = shown;
      bench.reconnect();
      assert.equal(bench.session.phase, 'waiting');
    }
  });

  it('is not believed without an unbroken chain of signatures from the trusted key', () => {
    const stranger = testKey();
    const cases: [string, (bench: Bench) => void][] = [
      ['none', ({ controller }) => controller.successions.splice(0)],
      ['a chain that begins later', ({ controller }) => controller.successions.splice(0, 1)],
      ['a chain that ends earlier', ({ controller }) => controller.successions.pop()],
      ['a hole', ({ controller }) => controller.successions.splice(1, 1)],
      ['another order', ({ controller }) => controller.successions.reverse()],
      ['the signature of a stranger', ({ controller }) => forge(controller.successions, stranger.sign('anything'))],
      ['no signature', ({ controller }) => forge(controller.successions, Buffer.alloc(64).toString('base64'))],
    ];
    for (const [what, spoil] of cases) {
      const { bench } = awayDuring(3);
      spoil(bench);
      const effects = bench.reconnect();
      assert.deepEqual([bench.session.phase, pins(effects)], ['waiting', []], what);
      assert.ok(!JSON.stringify(effects).includes(benchToken), what);
    }
  });

  it('is not believed when a stranger shows a true chain and cannot sign with its last key', () => {
    const { bench } = awayDuring(1);
    const stranger = testKey();
    bench.controller.key = { ...stranger, publicKey: bench.controller.key.publicKey };
    bench.reconnect();
    assert.equal(bench.session.phase, 'waiting');
  });

  it('shows at most so many statements that a message stays small', () => {
    const { bench } = awayDuring(mostSuccessions + 1);
    bench.reconnect();
    assert.equal(bench.session.phase, 'waiting');
    bench.controller.successions.shift();
    bench.reconnect();
    assert.equal(bench.session.phase, 'waiting', 'its own key is not among them any more');
  });

  it('lets an agent start from a state that the key before has signed', () => {
    const { bench, first } = awayDuring(0);
    const stored = bench.session.stored(bench.now);
    const controllerKey = testKey().publicKey;
    const started = (earlier: object) => {
      const identity = { enrolled: true, controllerKey, ...earlier };
      const session = new AgentSession(bench.config(identity));
      session.handle({ kind: 'start', stored }, { now: bench.now, random: 0.5 });
      return session.desired.statement?.hash ?? null;
    };
    assert.equal(started({ earlierControllerKey: first.publicKey }), bench.controller.hash);
    assert.equal(started({ earlierControllerKey: testKey().publicKey }), null);
    assert.equal(started({}), null);
  });
});

function forge(successions: { signature: string }[], signature: string): void {
  const last = successions.at(-1);
  if (last !== undefined) last.signature = signature;
}

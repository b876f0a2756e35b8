import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ControllerMessage } from '@sallyport/contract/channel';
import { channelProtocol, emptyStateHash, keyExchange } from '@sallyport/contract/channel';
import fc from 'fast-check';
import { Bench, benchToken, benchStart as start, benchToken as token } from '../testing/bench.ts';
import { ScriptedController } from '../testing/controller.ts';
import { deviceItem, gatewayItem } from '../testing/items.ts';
import { testKey } from '../testing/keys.ts';
import { AgentSession } from './session.ts';
import { transitions } from './transitions.ts';
import type { Effect, Input } from './types.ts';

describe('first contact', () => {
  it('enrols with the token, pins the key, and loads the snapshot', () => {
    const bench = new Bench();
    assert.equal(bench.work(bench.start())?.kind, 'close');
    bench.finish();
    const effects = bench.open();
    assert.deepEqual(
      effects.filter((effect) => effect.kind === 'pin'),
      [{ kind: 'pin', controllerKey: bench.controller.key.publicKey }],
    );
    assert.equal(bench.work(effects)?.kind, 'load');
    assert.ok(effects.some((effect) => effect.kind === 'persist'));
    assert.equal(bench.session.phase, 'live');
    const [applied] = bench.sent(bench.finish());
    assert.equal(applied?.type === 'applied' && applied.hash, bench.controller.hash);
  });

  it('does not show the token to a controller with another key', () => {
    const bench = new Bench({
      token: { text: token, controllerFingerprint: testKey().fingerprint(testKey().publicKey) },
    });
    bench.start();
    const effects = bench.open();
    assert.ok(!JSON.stringify(effects).includes(token));
    assert.equal(bench.session.phase, 'waiting');
  });

  it('does not show the token to one that cannot sign', () => {
    const bench = new Bench();
    bench.start();
    const [hello] = bench.opened();
    assert.ok(hello?.kind === 'send');
    const [challenge] = bench.controller.receive(hello.frame, bench.now);
    assert.ok(challenge?.type === 'challenge');
    const effects = bench.from({ ...challenge, signature: Buffer.alloc(64).toString('base64') });
    assert.ok(!JSON.stringify(effects).includes(token));
    assert.ok(effects.some((effect) => effect.kind === 'close'));
  });

  it('does not send the token after enrolment, and trusts only the pinned key', () => {
    const bench = new Bench();
    const controllerKey = bench.controller.key.publicKey;
    bench.controller.identity = bench.identity.publicKey;
    bench.session = new AgentSession(bench.config({ enrolled: true, controllerKey }));
    bench.start();
    assert.ok(!JSON.stringify(bench.open()).includes(token));
    assert.equal(bench.session.phase, 'live');

    const stranger = new Bench();
    stranger.session = new AgentSession(stranger.config({ enrolled: true, controllerKey }));
    stranger.start();
    stranger.open();
    assert.equal(stranger.session.phase, 'waiting');
  });
});

describe('hostile or broken controller', () => {
  const cases: [string, (bench: Bench) => ControllerMessage | string][] = [
    ['no JSON', () => '{'],
    ['an unknown type', () => '{"type":"surprise"}'],
    ['an extra field', (bench) => JSON.stringify({ ...bench.controller.lease(bench.now), extra: 1 })],
    ['a message out of turn', () => ({ type: 'welcome', now: start, heartbeatMs: 1000, name: 'x' })],
    ['a state of another gateway', (bench) => other(bench).snapshot(bench.now)],
    ['a state that somebody else signed', (bench) => forged(bench).snapshot(bench.now)],
    [
      'items that were not signed',
      (bench) => ({ ...bench.controller.snapshot(bench.now), items: [gatewayItem({ masquerade: false })] }),
    ],
    [
      'an item under a key that is not its own',
      (bench) => {
        bench.controller.items.set('device/x', deviceItem(1, { key: 'device/x' }));
        return bench.controller.snapshot(bench.now);
      },
    ],
    [
      'an older revision',
      (bench) => {
        bench.controller.revision = { epoch: 'e1', number: 0 };
        return bench.controller.snapshot(bench.now);
      },
    ],
    [
      'another epoch that was signed before ours',
      (bench) => {
        bench.controller.revision = { epoch: 'e0', number: 99 };
        return bench.controller.snapshot(bench.now - 1);
      },
    ],
  ];
  for (const [name, message] of cases) {
    it(`ends the connection on ${name} and changes nothing`, () => {
      const bench = new Bench().deployed();
      const before = bench.session.stored(0);
      const effects = bench.from(message(bench));
      assert.ok(effects.some((effect) => effect.kind === 'close'));
      assert.equal(bench.work(effects), undefined);
      assert.ok(!effects.some((effect) => effect.kind === 'persist' || effect.kind === 'tear-down'));
      assert.equal(bench.session.stored(0), before);
      assert.equal(bench.session.phase, 'waiting');
    });
  }

  it('does not believe that it was deleted before the controller has proven itself', () => {
    const bench = new Bench();
    bench.start();
    bench.opened();
    const effects = bench.frame('{"type":"refused","code":"deleted","message":"gone","final":true}');
    assert.ok(!effects.some((effect) => effect.kind === 'tear-down'));
    assert.equal(bench.session.phase, 'waiting');
  });

  it('never throws, for any input in any phase', () => {
    fc.assert(
      fc.property(fc.array(anyInput(), { maxLength: 30 }), (inputs) => {
        const bench = new Bench();
        for (const input of inputs) bench.input(input);
        assert.ok(bench.session.phase in transitions);
        assert.equal(bench.session.stored(0), null);
      }),
      { numRuns: 200 },
    );
  });
});

describe('deltas', () => {
  it('go from hash to hash, and a change that arrives while one is applied is joined to the next', () => {
    const bench = new Bench().deployed();
    const first = bench.from(bench.controller.change([deviceItem(1)], [], bench.now));
    assert.equal(bench.work(first)?.kind, 'change');
    const desiredOfFirst = bench.controller.hash;
    assert.equal(bench.work(bench.from(bench.controller.change([deviceItem(2)], [], bench.now))), undefined);
    assert.equal(bench.work(bench.from(bench.controller.change([], ['device/d1'], bench.now))), undefined);
    const next = bench.work(bench.finish(desiredOfFirst));
    assert.deepEqual(next?.kind === 'change' && next.changes, [
      { before: null, after: deviceItem(2) },
      { before: deviceItem(1), after: null },
    ]);
  });

  it('hand out items that stay as they are while later changes come', () => {
    const bench = new Bench().deployed();
    const work = bench.work(bench.from(bench.controller.change([deviceItem(5)], [], bench.now)));
    bench.from(bench.controller.change([deviceItem(6)], [], bench.now));
    assert.ok(work?.kind === 'change');
    assert.deepEqual([work.items.has('device/d5'), work.items.has('device/d6')], [true, false]);
  });

  it('of nothing but a time limit are carried out and reported, although the hash stays', () => {
    const bench = new Bench().deployed();
    bench.from(bench.controller.change([deviceItem(1, { expiresAt: 1000 })], [], bench.now));
    bench.finish();
    const { hash } = bench.controller;
    const later = deviceItem(1, { expiresAt: 2000 });
    const work = bench.work(bench.from(bench.controller.change([later], [], bench.now)));
    assert.equal(bench.controller.hash, hash);
    const before = deviceItem(1, { expiresAt: 1000 });
    assert.deepEqual(work?.kind === 'change' && work.changes, [{ before, after: later }]);
    const [report] = bench.sent(bench.finish());
    assert.deepEqual(report?.type === 'applied' && report.revision, bench.controller.revision);
    assert.deepEqual(JSON.parse(bench.session.stored(0) ?? '').snapshot.items.at(-1), later);
  });

  it('that do not lead from here make it ask for a snapshot, once', () => {
    const bench = new Bench().deployed();
    bench.controller.change([deviceItem(1)], [], bench.now);
    const effects = bench.from(bench.controller.change([deviceItem(2)], [], bench.now));
    assert.deepEqual(
      bench.sent(effects).map(({ type }) => type),
      ['need-snapshot'],
    );
    assert.deepEqual(bench.from(bench.controller.change([deviceItem(3)], [], bench.now)), []);
    const mended = bench.work(bench.from(bench.controller.snapshot(bench.now)));
    assert.equal(mended?.kind === 'change' && mended.changes.filter(({ before }) => before === null).length, 3);
  });

  it('that are not what was signed leave the state as it was', () => {
    const bench = new Bench().deployed();
    const before = bench.session.stored(0);
    const delta = bench.controller.change([deviceItem(1)], [], bench.now);
    bench.from({ ...delta, upserts: [deviceItem(1, { profile: 'p2' })] });
    assert.equal(bench.session.stored(0), before);
  });
});

describe('a reading of the system', () => {
  it('is looked at whole when a change did not come out, and reported when that does not help', () => {
    const bench = new Bench().deployed();
    bench.from(bench.controller.change([deviceItem(1)], [], bench.now));
    const again = bench.finish(emptyStateHash);
    assert.equal(bench.work(again)?.kind, 'load');
    assert.deepEqual(bench.sent(again), []);
    const failed = bench.sent(bench.finish(emptyStateHash));
    assert.equal(failed[0]?.type === 'failed' && failed[0].code, 'not-applied');
    assert.equal(bench.session.applied, null);
  });

  it('is tried again with back-off after a failure, and at once when the controller has news', () => {
    const bench = new Bench().deployed();
    bench.from(bench.controller.change([deviceItem(1)], [], bench.now));
    const fail = (): Effect[] => {
      const job = bench.effects.findLast((effect) => effect.kind === 'apply');
      return bench.input({ kind: 'apply-failed', job: job?.job ?? 0, code: 'port-taken', message: 'Free the port.' });
    };
    assert.equal(bench.sent(fail())[0]?.type, 'failed');
    const deadline = bench.session.nextDeadline();
    assert.equal(deadline?.why === 'apply-retry' || deadline?.why === 'heartbeat', true);
    bench.now += 1_000;
    assert.equal(bench.work(bench.input({ kind: 'tick' }))?.kind, 'load');
    assert.deepEqual(bench.sent(fail()), [], 'the same failure is no news');
    const news = bench.from(bench.controller.change([], ['device/d1'], bench.now));
    assert.equal(bench.work(news)?.kind, 'load');
    assert.equal(bench.sent(bench.finish())[0]?.type, 'applied');
  });

  it('is swept, and only news is reported', () => {
    const bench = new Bench().deployed();
    bench.now += 30_000;
    bench.input({ kind: 'pong', connection: bench.connection });
    assert.equal(bench.work(bench.input({ kind: 'tick' }))?.kind, 'load');
    assert.deepEqual(bench.sent(bench.finish()), []);
    assert.equal(bench.work(bench.input({ kind: 'drift', reason: 'test' }))?.kind, 'load');
    const job = bench.effects.findLast((effect) => effect.kind === 'apply')?.job ?? 0;
    const hash = bench.controller.hash;
    const mended = bench.input({ kind: 'applied', job, hash, tookMs: 1, mended: ['peer'] });
    assert.equal(bench.sent(mended)[0]?.type, 'applied');
  });
});

describe('the lease', () => {
  it('closes the data plane when it is over, and a later one opens it again', () => {
    const bench = new Bench().deployed();
    bench.input({ kind: 'closed', connection: bench.connection, reason: 'test' });
    bench.now = start + bench.controller.leaseMs - 1;
    assert.notEqual(bench.work(bench.input({ kind: 'tick' }))?.kind, 'close');
    bench.finish();
    bench.now += 1;
    assert.equal(bench.work(bench.input({ kind: 'tick' }))?.kind, 'close');
    bench.finish();
    assert.equal(bench.session.applied, null);
    assert.equal(bench.work(bench.reconnect())?.kind, 'load');
  });

  it('renewal is a change without items', () => {
    const bench = new Bench().deployed();
    bench.now += 5_000;
    const work = bench.work(bench.from(bench.controller.lease(bench.now)));
    assert.deepEqual(work?.kind === 'change' && [work.changes, work.leaseUntil], [[], bench.now + 60_000]);
  });

  it('that is older than the present one is ignored', () => {
    const bench = new Bench().deployed();
    const old = bench.controller.lease(bench.now - 1);
    assert.equal(bench.work(bench.from(old)), undefined);
    assert.equal(bench.session.phase, 'live');
  });
});

describe('cold start', () => {
  const restart = (now: number, tamper = (text: string) => text): Effect[] => {
    const bench = new Bench().deployed();
    const stored = tamper(bench.session.stored(bench.now) ?? '');
    bench.session = new AgentSession(bench.config({ enrolled: true, controllerKey: bench.controller.key.publicKey }));
    bench.now = now;
    return bench.start(stored);
  };
  const kindOf = (effects: readonly Effect[]) => effects.find((effect) => effect.kind === 'apply')?.work.kind;

  it('starts from the stored state without the controller', () => {
    const effects = restart(start + 1_000);
    assert.equal(kindOf(effects), 'load');
    assert.ok(effects.some((effect) => effect.kind === 'connect'));
  });
  it('asks for everything when the stored state came in an older protocol', () => {
    const bench = new Bench().deployed();
    const stored = bench.session.stored(bench.now) ?? '';
    const older = stored.replace(`"protocol":${channelProtocol}`, `"protocol":${channelProtocol - 1}`);
    assert.notEqual(older, stored);
    for (const [text, known] of [
      [stored, true],
      [older, false],
    ] as const) {
      bench.session = new AgentSession(bench.config({ enrolled: true, controllerKey: bench.controller.key.publicKey }));
      assert.equal(kindOf(bench.start(text)), 'load');
      bench.finish();
      const said = bench.sent(bench.open()).find(({ type }) => type === 'authenticate');
      assert.equal(said?.type === 'authenticate' && said.state !== undefined, known);
    }
  });
  it('stays closed when the lease is over', () => assert.equal(kindOf(restart(start + 60_000)), 'close'));
  it('stays closed when the clock is behind', () => assert.equal(kindOf(restart(start - 1)), 'close'));
  it('stays closed when the file was changed', () => {
    assert.equal(
      kindOf(restart(start + 1, (text) => text.replace('"masquerade":true', '"masquerade":false'))),
      'close',
    );
    assert.equal(kindOf(restart(start + 1, (text) => text.slice(0, -5))), 'close');
  });
});

describe('refusals', () => {
  const refused = (code: 'deleted' | 'bad-identity' | 'taken-over' | 'busy', final: boolean) => {
    const bench = new Bench();
    bench.controller.refusal = { type: 'refused', code, message: 'because', final };
    bench.start();
    return { bench, effects: bench.open() };
  };
  it('deleted: everything is undone', () => {
    const { bench, effects } = refused('deleted', true);
    assert.ok(effects.some((effect) => effect.kind === 'tear-down'));
    assert.equal(bench.session.phase, 'stopped');
    assert.equal(bench.session.nextDeadline(), null);
  });
  it('final: reported, and tried again within 30 seconds, for a database may be restored', () => {
    const { bench, effects } = refused('bad-identity', true);
    assert.ok(effects.some((effect) => effect.kind === 'refused' && !effect.enrolled));
    bench.finish();
    const wait = (bench.session.nextDeadline()?.at ?? 0) - start;
    assert.ok(wait >= 15_000 && wait <= 30_000, `${wait}`);
  });
  it('taken over: retried much later, so that two hosts do not compete', () => {
    const { bench } = refused('taken-over', true);
    bench.finish();
    assert.ok((bench.session.nextDeadline()?.at ?? 0) >= start + 60_000);
  });
  it('of an enrolled agent that the database has lost: the next try brings the token, later ones do not', () => {
    const bench = new Bench().deployed();
    bench.controller.identity = null;
    const tokens = (effects: ReturnType<Bench['open']>) =>
      bench.sent(effects).flatMap((message) => (message.type === 'authenticate' ? [message.token] : []));
    assert.deepEqual(tokens(bench.reconnect()), [undefined]);
    assert.equal(bench.session.phase, 'refused');
    bench.now = bench.session.nextDeadline()?.at ?? Infinity;
    bench.input({ kind: 'tick' });
    assert.deepEqual(tokens(bench.open()), [benchToken]);
    assert.equal(bench.session.phase, 'live');
    assert.deepEqual(tokens(bench.reconnect()), [undefined]);
  });
  it('not final: tried again soon', () => {
    const { bench } = refused('busy', false);
    bench.finish();
    assert.ok((bench.session.nextDeadline()?.at ?? Infinity) <= start + 15_000);
  });
});

function other(bench: Bench): ScriptedController {
  const controller = new ScriptedController('00000000-0000-4000-8000-000000000000', bench.controller.key);
  controller.items.set('gateway', gatewayItem());
  controller.revision = { epoch: 'e1', number: 9 };
  return controller;
}

function forged(bench: Bench): ScriptedController {
  const controller = new ScriptedController(bench.controller.gateway);
  controller.items.set('gateway', gatewayItem());
  controller.revision = { epoch: 'e1', number: 9 };
  return controller;
}

function anyInput(): fc.Arbitrary<Input> {
  const connection = fc.integer({ min: 0, max: 3 });
  const message = fc.oneof(
    fc.string(),
    fc.json(),
    fc.constantFrom(
      '{"type":"refused","code":"busy","message":"","final":false}',
      '{"type":"welcome","now":0,"heartbeatMs":1,"name":""}',
      '{"type":"probe","request":"x"}',
    ),
  );
  return fc.oneof(
    fc.constant<Input>({ kind: 'start', stored: null }),
    fc.record({ kind: fc.constant('start' as const), stored: fc.string() }),
    fc.record({
      kind: fc.constant('opened' as const),
      connection,
      nonce: fc.constant(Buffer.alloc(32).toString('base64')),
      exchange: fc.constant(keyExchange('agent', Buffer.alloc(32, 5))),
    }),
    fc.record({
      kind: fc.constant('message' as const),
      connection,
      frame: fc.oneof(message, fc.uint8Array({ maxLength: 40 })),
    }),
    fc.record({ kind: fc.constant('closed' as const), connection, reason: fc.string() }),
    fc.record({
      kind: fc.constant('applied' as const),
      job: connection,
      hash: fc.constant(emptyStateHash),
      tookMs: fc.constant(0),
      mended: fc.constant([]),
    }),
    fc.record({ kind: fc.constant('apply-failed' as const), job: connection, code: fc.string(), message: fc.string() }),
    fc.constant<Input>({ kind: 'drift', reason: 'x' }),
    fc.constant<Input>({ kind: 'tick' }),
    fc.constant<Input>({ kind: 'stop' }),
  );
}

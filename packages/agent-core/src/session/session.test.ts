import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import type { AgentMessage, ControllerMessage } from '@sallyport/contract/channel';
import { emptyStateHash, type KeyExchange, keyExchange } from '@sallyport/contract/channel';
import fc from 'fast-check';
import { ScriptedController } from '../testing/controller.ts';
import { deviceItem, gatewayItem } from '../testing/items.ts';
import { testKey } from '../testing/keys.ts';
import { AgentSession } from './session.ts';
import { transitions } from './transitions.ts';
import type { Effect, Frame, Input, SessionConfig, Work } from './types.ts';

const gateway = '5b8e7f60-1111-4222-8333-444455556666';
const start = Date.UTC(2026, 0, 1);
const host = { hostname: 'h', os: 'linux', kernel: '6.1', wireguard: 'memory' } as const;
const token = 'sgw_secret';

/** A session joined to a controller by hand: every effect is kept, nothing happens by itself. */
class Bench {
  readonly controller = new ScriptedController(gateway);
  readonly identity = testKey();
  now = start;
  session: AgentSession;
  effects: Effect[] = [];
  connection = 0;

  constructor(over: Partial<SessionConfig> = {}) {
    this.controller.token = token;
    this.controller.items.set('gateway', gatewayItem());
    this.session = new AgentSession(this.config(over));
  }

  config(over: Partial<SessionConfig> = {}): SessionConfig {
    return {
      gateway,
      identityKey: this.identity.publicKey,
      wireguardPublicKey: Buffer.alloc(32, 1).toString('base64'),
      controllerKey: null,
      enrolled: false,
      token: { text: token, controllerFingerprint: this.identity.fingerprint(this.controller.key.publicKey) },
      agentVersion: '0',
      host,
      crypto: this.identity,
      ...over,
    };
  }

  input(input: Input): Effect[] {
    const effects = this.session.handle(input, { now: this.now, random: 0.5 });
    this.effects.push(...effects);
    for (const effect of effects) if (effect.kind === 'connect') this.connection = effect.connection;
    return effects;
  }

  /** From the controller, sealed when it has to be. */
  from(message: ControllerMessage | string): Effect[] {
    return this.frame(this.controller.say(message));
  }

  /** From whoever carries the frames. */
  frame(frame: Frame): Effect[] {
    return this.input({ kind: 'message', connection: this.connection, frame });
  }

  /** Delivers what the agent sends and what the controller answers, until both are silent. */
  converse(effects: Effect[]): Effect[] {
    const seen = [...effects];
    const sent = effects.flatMap((effect) => (effect.kind === 'send' ? [effect.frame] : []));
    for (const frame of sent) {
      for (const answer of this.controller.receive(frame, this.now)) seen.push(...this.converse(this.from(answer)));
    }
    return seen;
  }

  start(stored: string | null = null): Effect[] {
    return this.input({ kind: 'start', stored });
  }

  /** The socket is open and the agent says hello. */
  opened(exchange: KeyExchange = keyExchange('agent', randomBytes(32))): Effect[] {
    const nonce = Buffer.alloc(32, 3).toString('base64');
    return this.input({ kind: 'opened', connection: this.connection, nonce, exchange });
  }

  open(): Effect[] {
    return this.converse(this.opened());
  }

  /** Loses the connection, waits for the next try, and lets it succeed. */
  reconnect(): Effect[] {
    this.input({ kind: 'closed', connection: this.connection, reason: 'test' });
    while (this.session.phase !== 'connecting') {
      this.now = Math.max(this.now, this.session.nextDeadline()?.at ?? Infinity);
      this.input({ kind: 'tick' });
    }
    return this.open();
  }

  /** Started, enrolled, and the first state applied. */
  deployed(): this {
    this.start();
    this.finish();
    this.open();
    this.finish();
    return this;
  }

  /** Reports the job that is running as done, as a perfect system would. */
  finish(hash?: string): Effect[] {
    const job = this.effects.findLast((effect) => effect.kind === 'apply');
    assert.ok(job);
    const desired = this.session.desired.statement?.hash ?? emptyStateHash;
    return this.input({ kind: 'applied', job: job.job, hash: hash ?? desired, tookMs: 1, mended: [] });
  }

  work(effects: readonly Effect[]): Work | undefined {
    return effects.find((effect) => effect.kind === 'apply')?.work;
  }

  sent(effects: readonly Effect[]): AgentMessage[] {
    return effects.flatMap((effect) => (effect.kind === 'send' ? [effect.message] : []));
  }
}

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

  it('keeps the token at home once enrolled, and trusts only the pinned key', () => {
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

  it('never throws, whatever comes in whatever phase', () => {
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

describe('somebody who carries the frames', () => {
  const deleted: ControllerMessage = { type: 'refused', code: 'deleted', message: 'gone', final: true };
  const attacks: [string, (bench: Bench) => readonly Frame[]][] = [
    ['says in the clear that the gateway was deleted', () => [JSON.stringify(deleted)]],
    ['says anything in the clear', (bench) => [JSON.stringify(bench.controller.snapshot(bench.now))]],
    ['says it in a binary frame', () => [Buffer.from(JSON.stringify(deleted))]],
    [
      'repeats a frame',
      (bench) => {
        const frame = bench.controller.say(bench.controller.lease(bench.now));
        return [frame, frame];
      },
    ],
    [
      'swaps two frames',
      (bench) => {
        const [first, second] = [say(bench, 1), say(bench, 2)];
        return [second, first];
      },
    ],
    ['holds a frame back', (bench) => [say(bench, 1), say(bench, 2)].slice(1)],
    ['cuts a frame short', (bench) => [sealed(bench).subarray(0, -1)]],
    ['sends an empty frame', () => [new Uint8Array(0)]],
    ['adds to a frame', (bench) => [Buffer.concat([sealed(bench), Buffer.from('}')])]],
    ['seals it with keys of its own', (bench) => [sealed(new Bench({ crypto: bench.identity }).deployed())]],
    ['sends back what the agent said', (bench) => [lastSent(bench)]],
  ];
  for (const [name, attack] of attacks) {
    it(`${name}: that ends the connection and changes nothing`, () => {
      const bench = new Bench().deployed();
      const frames = attack(bench);
      const honest = frames.length - 1;
      for (const frame of name === 'repeats a frame' ? frames.slice(0, honest) : []) bench.frame(frame);
      const before = [bench.session.stored(0), bench.session.phase];
      const effects = frames.slice(name === 'repeats a frame' ? honest : 0).flatMap((frame) => bench.frame(frame));
      assert.ok(effects.some((effect) => effect.kind === 'close'));
      assert.ok(!effects.some(({ kind }) => ['apply', 'persist', 'tear-down', 'refused', 'send'].includes(kind)));
      assert.deepEqual(before, [bench.session.stored(0), 'live']);
      assert.equal(bench.session.phase, 'waiting');
    });
  }

  it('changes any one bit: that ends the connection and changes nothing', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 0, max: 7 }), (place, bit) => {
        const bench = new Bench().deployed();
        const frame = Uint8Array.from(sealed(bench));
        frame[place % frame.length] = (frame[place % frame.length] ?? 0) ^ (1 << bit);
        const before = bench.session.stored(0);
        assert.ok(bench.frame(frame).every(({ kind }) => kind === 'close' || kind === 'log'));
        assert.deepEqual([bench.session.stored(0), bench.session.phase], [before, 'waiting']);
      }),
      { numRuns: 50 },
    );
  });

  it('cannot move the end of an access', () => {
    const bench = new Bench().deployed();
    const ends = deviceItem(1, { expiresAt: start + 1_000 });
    const { upserts, ...delta } = bench.controller.change([ends], [], bench.now);
    bench.frame(JSON.stringify({ ...delta, upserts: upserts.map((item) => ({ ...item, expiresAt: null })) }));
    assert.equal(bench.session.phase, 'waiting');
    assert.equal(bench.session.desired.items.has(ends.key), false);
  });

  it('does not see the token, nor the WireGuard key', () => {
    const bench = new Bench();
    bench.start();
    const frames = bench.open().flatMap((effect) => (effect.kind === 'send' ? [effect.frame] : []));
    assert.ok(bench.controller.heard.some((message) => message.type === 'authenticate' && message.token === token));
    for (const frame of frames) {
      const text = typeof frame === 'string' ? frame : Buffer.from(frame).toString('latin1');
      assert.ok(!text.includes(token) && !text.includes(Buffer.alloc(32, 1).toString('base64')));
    }
    assert.deepEqual(
      frames.map((frame) => typeof frame),
      ['string', 'object'],
    );
  });

  it('cannot put a one-time key of its own into the handshake', () => {
    const own = keyExchange('controller', randomBytes(32)).publicKey;
    const useless = Buffer.alloc(32).toString('base64');
    for (const swap of [own, useless]) {
      const bench = new Bench();
      bench.start();
      const [hello] = bench.opened();
      assert.ok(hello?.kind === 'send');
      const [challenge] = bench.controller.receive(hello.frame, bench.now);
      assert.ok(challenge?.type === 'challenge');
      const effects = bench.frame(JSON.stringify({ ...challenge, ephemeral: swap }));
      assert.deepEqual(bench.sent(effects), []);
      assert.equal(bench.session.phase, 'waiting');
    }
  });

  it('cannot refuse for good, only send the agent into another try', () => {
    for (const code of ['unknown-gateway', 'bad-identity', 'taken-over', 'deleted'] as const) {
      const bench = new Bench();
      bench.start();
      bench.opened();
      const effects = bench.frame(JSON.stringify({ ...deleted, code }));
      assert.ok(!effects.some(({ kind }) => kind === 'refused' || kind === 'tear-down'));
      assert.equal(bench.session.phase, 'waiting');
      assert.ok((bench.session.nextDeadline()?.at ?? Infinity) <= start + 15_000);
    }
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

describe('what the system shows', () => {
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

describe('a clock that is set back', () => {
  const hour = 3_600_000;
  const waits = (bench: Bench) => (bench.session.nextDeadline()?.at ?? Number.POSITIVE_INFINITY) - bench.now;

  it('does not keep the agent from trying again', () => {
    const bench = new Bench().deployed();
    bench.input({ kind: 'closed', connection: bench.connection, reason: 'test' });
    bench.now -= hour;
    bench.input({ kind: 'tick' });
    assert.ok(waits(bench) <= 500, `the next try is in ${waits(bench)} ms`);
    bench.now += waits(bench);
    assert.ok(bench.input({ kind: 'tick' }).some(({ kind }) => kind === 'connect'));
  });

  it('does not stop heartbeats, sweeps and retries', () => {
    const bench = new Bench().deployed();
    bench.now -= hour;
    bench.input({ kind: 'tick' });
    assert.ok(waits(bench) <= 10_000, `the next heartbeat is in ${waits(bench)} ms`);
    const load = bench.input({ kind: 'drift', reason: 'test' }).find(({ kind }) => kind === 'apply');
    assert.ok(load?.kind === 'apply');
    bench.input({ kind: 'apply-failed', job: load.job, code: 'test', message: 'test' });
    bench.input({ kind: 'closed', connection: bench.connection, reason: 'test' });
    bench.now -= hour;
    bench.input({ kind: 'tick' });
    assert.ok(waits(bench) <= 1_000, `the next attempt is in ${waits(bench)} ms`);
  });

  it('does not make the lease end earlier by the clock', () => {
    const bench = new Bench().deployed();
    bench.input({ kind: 'closed', connection: bench.connection, reason: 'test' });
    bench.now -= 10_000;
    bench.input({ kind: 'tick' });
    bench.now = start + bench.controller.leaseMs - 1;
    assert.notEqual(bench.work(bench.input({ kind: 'tick' }))?.kind, 'close');
    bench.finish();
    bench.now += 1;
    assert.equal(bench.work(bench.input({ kind: 'tick' }))?.kind, 'close');
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
  const refused = (code: 'deleted' | 'bad-identity' | 'busy', final: boolean) => {
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
  it('final: reported, and tried again only much later', () => {
    const { bench, effects } = refused('bad-identity', true);
    assert.ok(effects.some((effect) => effect.kind === 'refused' && !effect.enrolled));
    bench.finish();
    assert.ok((bench.session.nextDeadline()?.at ?? 0) >= start + 60_000);
  });
  it('not final: tried again soon', () => {
    const { bench } = refused('busy', false);
    bench.finish();
    assert.ok((bench.session.nextDeadline()?.at ?? Infinity) <= start + 15_000);
  });
});

describe('heartbeats', () => {
  const data = { policies: [], dropped: {}, probes: [], safeToStop: false };
  const peer = { device: 'd1', rxBytes: 1, txBytes: 1, lastHandshake: null, endpoint: null };

  it('carry only the peers that changed, and all of them on a new connection', () => {
    const bench = new Bench().deployed();
    const beat = (peers: (typeof peer)[]) => {
      const [message] = bench.sent(bench.input({ kind: 'heartbeat-ready', data: { ...data, peers } }));
      return message?.type === 'heartbeat' ? message.peers : null;
    };
    assert.deepEqual(beat([peer]), [peer]);
    assert.deepEqual(beat([peer]), []);
    assert.deepEqual(beat([{ ...peer, rxBytes: 2 }]), [{ ...peer, rxBytes: 2 }]);
    bench.reconnect();
    assert.deepEqual(beat([peer]), [peer]);
  });

  it('go out every second at most and every minute at least, whatever the controller asks for', () => {
    for (const [asked, taken] of [
      [1, 1_000],
      [5_000, 5_000],
      [Number.MAX_SAFE_INTEGER, 60_000],
    ] as const) {
      const bench = new Bench();
      bench.controller.heartbeatMs = asked;
      bench.deployed();
      bench.input({ kind: 'tick' });
      bench.input({ kind: 'heartbeat-ready', data: { ...data, peers: [] } });
      assert.equal((bench.session.nextDeadline()?.at ?? 0) - bench.now, Math.min(taken, 30_000));
    }
  });

  it('a controller that falls silent is left', () => {
    const bench = new Bench().deployed();
    bench.now += 10_000;
    assert.ok(bench.input({ kind: 'tick' }).some((effect) => effect.kind === 'ping'));
    bench.now += 20_000;
    assert.ok(bench.input({ kind: 'tick' }).some((effect) => effect.kind === 'close'));
  });
});

/** The next frame of an honest controller: a new device. */
function say(bench: Bench, device: number): Frame {
  return bench.controller.say(bench.controller.change([deviceItem(device)], [], bench.now));
}

function sealed(bench: Bench): Uint8Array {
  const frame = say(bench, 1);
  assert.ok(typeof frame !== 'string');
  return frame;
}

function lastSent(bench: Bench): Frame {
  const sent = bench.effects.findLast((effect) => effect.kind === 'send');
  assert.ok(sent !== undefined);
  return sent.frame;
}

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

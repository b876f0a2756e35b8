import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Bench } from '../testing/bench.ts';
import { gatewayId } from '../testing/items.ts';
import type { Effect } from './types.ts';

describe('paths', () => {
  it('are asked for while there is a connection, and punches are passed on', () => {
    const bench = new Bench();
    const ask = { kind: 'find-path', peer: gatewayId(1), relay: true } as const;
    bench.start();
    assert.deepEqual(bench.input(ask), []);
    bench.finish();
    bench.open();
    assert.deepEqual(bench.sent(bench.input(ask)), [{ type: 'find-path', peer: gatewayId(1), relay: true }]);
    const punch = { peer: gatewayId(2), endpoints: ['192.0.2.1:5'] };
    assert.deepEqual(bench.from({ type: 'punch', ...punch }), [{ kind: 'punch', ...punch }]);
  });

  it('names are asked for while there is a connection, and the answer is passed on', () => {
    const bench = new Bench();
    const ask = { kind: 'ask-name', name: 'wiki.corp.example', device: 'd1' } as const;
    bench.start();
    assert.deepEqual(bench.input(ask), [{ kind: 'named', name: ask.name, outcome: 'away' }]);
    assert.deepEqual(bench.input({ kind: 'names-used', names: [ask.name] }), []);
    bench.finish();
    const opened = bench.sent(bench.open());
    assert.deepEqual(opened.slice(2), [{ type: 'names-used', names: [ask.name] }], 'a use is not lost');
    const { name, device } = ask;
    assert.deepEqual(bench.sent(bench.input(ask)), [{ type: 'ask-name', name, device }]);
    const used = bench.sent(bench.input({ kind: 'names-used', names: [name] }));
    assert.deepEqual(used, [{ type: 'names-used', names: [name] }]);
    const answer = bench.from({ type: 'named', name, outcome: 'given' });
    assert.deepEqual(answer, [{ kind: 'named', name, outcome: 'given' }]);
  });

  it('what the beacon sees of the NAT is passed on', () => {
    const bench = new Bench();
    bench.start();
    bench.open();
    const mapping = { kind: 'independent', endpoint: '192.0.2.1:5' } as const;
    assert.deepEqual(bench.from({ type: 'mapping', mapping }), [{ kind: 'mapping', mapping }]);
  });

  it('a punch before the welcome ends the connection', () => {
    const bench = new Bench();
    bench.start();
    bench.opened();
    const effects = bench.from(JSON.stringify({ type: 'punch', peer: gatewayId(1), endpoints: [] }));
    assert.ok(effects.some(({ kind }) => kind === 'close'));
  });
});

describe('posture', () => {
  const told = (bench: Bench, effects: Effect[]) =>
    bench.sent(effects).flatMap((message) => (message.type === 'posture' ? [message.facts] : []));

  it('of a device is told after every welcome, and when it changes', () => {
    const bench = new Bench({ role: 'device' });
    bench.input({ kind: 'posture', facts: { os: 'linux' } });
    bench.start();
    bench.finish();
    assert.deepEqual(told(bench, bench.open()), [{ os: 'linux' }]);
    bench.finish();
    assert.deepEqual(told(bench, bench.input({ kind: 'posture', facts: { os: 'linux' } })), []);
    const more = { diskEncrypted: true, os: 'linux' };
    assert.deepEqual(told(bench, bench.input({ kind: 'posture', facts: more })), [more]);
    assert.deepEqual(told(bench, bench.input({ kind: 'posture', facts: { os: 'linux', diskEncrypted: true } })), []);
    bench.input({ kind: 'closed', connection: bench.connection, reason: 'test' });
    assert.deepEqual(told(bench, bench.input({ kind: 'posture', facts: { os: 'other' } })), []);
    assert.deepEqual(told(bench, bench.reconnect()), [{ os: 'other' }]);
  });

  it('of a gateway is never sent', () => {
    const bench = new Bench().deployed();
    assert.deepEqual(told(bench, bench.input({ kind: 'posture', facts: { os: 'linux' } })), []);
  });

  it('rejects a controller that expects the other role', () => {
    const bench = new Bench({ role: 'device' });
    bench.controller.role = 'gateway';
    bench.start();
    bench.finish();
    assert.ok(bench.open().some(({ kind }) => kind === 'close'));
    assert.notEqual(bench.session.phase, 'live');
  });
});

describe('heartbeats', () => {
  const data = { policies: [], dropped: {}, probes: [], paths: [], relays: [], safeToStop: false };
  const peer = { peer: 'd1', rxBytes: 1, txBytes: 1, lastHandshake: null, endpoint: null };

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

  it('a change of outcome is noticed at once and once, of probes that heartbeats have told of too', () => {
    const bench = new Bench().deployed();
    const probe = (reachable: boolean, rttMs = 1) => ({ id: 'a', resource: 'r', reachable, detail: '', rttMs });
    const noticed = (...probes: ReturnType<typeof probe>[]) => bench.sent(bench.input({ kind: 'noticed', probes }));
    assert.deepEqual(noticed(probe(true)), [{ type: 'noticed', probes: [probe(true)] }]);
    assert.deepEqual(noticed(probe(true, 2)), []);
    bench.input({ kind: 'heartbeat-ready', data: { ...data, peers: [], probes: [probe(false)] } });
    assert.deepEqual(noticed(probe(false)), []);
    assert.equal(noticed(probe(true)).length, 1);
    const many = Array.from({ length: 12_000 }, (_, n) => ({ ...probe(true), id: `p${n}` }));
    assert.deepEqual(
      noticed(...many).map((message) => (message.type === 'noticed' ? message.probes.length : 0)),
      [10_000, 2_000],
    );
    bench.input({ kind: 'closed', connection: bench.connection, reason: 'test' });
    assert.deepEqual(noticed(probe(false)), []);
    bench.reconnect();
    assert.equal(noticed(probe(true)).length, 1);
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

  it('disconnects from a silent controller', () => {
    const bench = new Bench().deployed();
    bench.now += 10_000;
    assert.ok(bench.input({ kind: 'tick' }).some((effect) => effect.kind === 'ping'));
    bench.now += 20_000;
    assert.ok(bench.input({ kind: 'tick' }).some((effect) => effect.kind === 'close'));
  });
});

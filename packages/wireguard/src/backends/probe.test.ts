import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { type Authenticated, Responder } from '../noise/index.ts';
import { privateKeyFor, publicKeyFor } from '../testing/keys.ts';
import { eventually } from '../testing/namespace.ts';
import { type HandshakeProbeOptions, probeHandshake } from './probe.ts';

/** Tests the probe on loopback. `noise/interop.test.ts` tests it against the real wireguard-go. */

test('a probe is answered and ends with a message that confirms the handshake', async () => {
  await using other = await openOther();
  const result = await probeHandshake(optionsFor(other));
  assert.ok(result.ok, JSON.stringify(result));
  assert.equal(result.to, `127.0.0.1:${other.port}`);
  assert.ok(result.rttMs > 0 && result.rttMs < 5000);
  await eventually('it counts', () => other.authenticated.length === 1);
  assert.deepEqual(
    other.authenticated.map(({ peer, source, first }) => ({ peer, source, first })),
    [{ peer: publicKeyFor('prober'), source: result.from, first: true }],
  );
});

test('a probe survives a lost datagram and a cookie reply', async () => {
  await using other = await openOther({ lose: 1, underLoad: true });
  const result = await probeHandshake(optionsFor(other));
  assert.ok(result.ok, JSON.stringify(result));
  await eventually('it counts', () => other.authenticated.length === 1);
  assert.equal(other.taken, 4, 'lost, cookie, initiation, keepalive');
});

test('a data message of the requested size is sent once, and a missing acknowledgement is reported', async () => {
  await using other = await openOther();
  const result = await probeHandshake({ ...optionsFor(other), padding: { bytes: 1280, timeoutMs: 100 } });
  assert.ok(result.ok && !result.acknowledged, JSON.stringify(result));
  assert.deepEqual(
    other.authenticated.map(({ first, keepalive }) => ({ first, keepalive })),
    [{ first: true, keepalive: false }],
  );
});

test('an answer that is not a handshake is a bad answer, silence is no answer', async () => {
  await using echo = await openOther({ echo: true });
  assert.deepEqual(await probeHandshake(optionsFor(echo)), { ok: false, reason: 'bad-answer' });
  assert.deepEqual(await probeHandshake({ ...optionsFor(echo), timeoutMs: 200 }), { ok: false, reason: 'bad-answer' });
  await using silent = await openOther({ lose: Number.POSITIVE_INFINITY });
  assert.deepEqual(await probeHandshake({ ...optionsFor(silent), timeoutMs: 50 }), { ok: false, reason: 'no-answer' });
});

test('a probe is cancelled at once', async () => {
  await using silent = await openOther({ lose: Number.POSITIVE_INFINITY });
  const cancelled = { ok: false, reason: 'cancelled' };
  assert.deepEqual(await probeHandshake({ ...optionsFor(silent), signal: AbortSignal.abort() }), cancelled);
  const abort = new AbortController();
  const probing = probeHandshake({ ...optionsFor(silent), signal: abort.signal });
  await eventually('it knocks', () => silent.taken > 0);
  abort.abort();
  assert.deepEqual(await probing, cancelled);
});

test('malformed keys are rejected without quoting them', async () => {
  const other = { port: 9 };
  for (const change of [{ privateKey: 'secret' }, { publicKey: 'secret' }, { presharedKey: 'secret' }]) {
    await assert.rejects(probeHandshake({ ...optionsFor(other), ...change }), (error: Error) => {
      assert.match(error.message, /key must be 44 characters of base64/);
      return !error.message.includes('secret');
    });
  }
});

test('an empty host name is unresolved, a missing port is rejected', async () => {
  const nowhere = { ...optionsFor({ port: 9 }), endpoint: { host: '', port: 9 } };
  assert.deepEqual(await probeHandshake(nowhere), { ok: false, reason: 'unresolved' });
  for (const port of [0, 65536, 1.5, Number.NaN]) await assert.rejects(probeHandshake(optionsFor({ port })), /port/);
});

interface Other extends AsyncDisposable {
  readonly port: number;
  readonly authenticated: Authenticated[];
  /** Received datagrams, including those treated as lost. */
  taken: number;
}

/** Starts a responder on loopback that can drop the first datagrams, or echo everything. */
async function openOther(how: { lose?: number; underLoad?: boolean; echo?: boolean } = {}): Promise<Other> {
  const responder = new Responder({ privateKey: privateKeyFor('other'), random: randomBytes });
  const socket: Socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const other: Other = {
    port: socket.address().port,
    authenticated: [],
    taken: 0,
    async [Symbol.asyncDispose]() {
      const closed = once(socket, 'close');
      socket.close();
      await closed;
    },
  };
  socket.on('message', (datagram, from) => {
    if (++other.taken <= (how.lose ?? 0)) return;
    if (how.echo) return socket.send(datagram, from.port, from.address);
    const source = `${from.address}:${from.port}`;
    const result = responder.handle(datagram, source, performance.now(), () => ({}), how.underLoad);
    if (result.kind === 'reply') socket.send(result.datagram, from.port, from.address);
    if (result.kind === 'authenticated') other.authenticated.push(result);
  });
  return other;
}

function optionsFor({ port }: { port: number }): HandshakeProbeOptions {
  return {
    endpoint: { host: '127.0.0.1', port },
    privateKey: privateKeyFor('prober'),
    publicKey: publicKeyFor('other'),
    timeoutMs: 10_000,
  };
}

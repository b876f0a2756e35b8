import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { presharedKeyFor, privateKeyFor, publicKeyFor } from '../testing/keys.ts';
import {
  addNamespace,
  deleteNamespace,
  eventually,
  inNamespace,
  uniqueName,
  whyNoPackets,
} from '../testing/namespace.ts';
import { type RemoteBackend, remoteBackend } from '../testing/remote-backend.ts';
import { openRemoteSocket, type RemoteSocket } from '../testing/remote-socket.ts';
import type { PeerConfig } from '../types.ts';
import { type Answer, Initiator, Responder, type Session, tai64n } from './index.ts';
import { COOKIE_BYTES } from './messages.ts';
import type { Authenticated, Ignored, KnownPeer, Reply } from './types.ts';

/** Our handshake against the real wireguard-go and `wg`, in a network namespace of the test's own. */

const skip = whyNoPackets() ?? false;
const timeout = 60_000;
const DEVICE_PORT = 51820;
let namespace: string;
let link: string;
let backend: RemoteBackend;

before(async () => {
  if (skip) return;
  namespace = await addNamespace();
  link = uniqueName();
  backend = remoteBackend('userspace', ['ip', 'netns', 'exec', namespace]);
  await backend.ensure(link);
  await inNamespace(namespace, 'ip', 'link', 'set', link, 'up');
  await backend.apply(link, { privateKey: privateKeyFor('device'), listenPort: DEVICE_PORT, peers: [] });
});

after(async () => {
  if (skip) return;
  await backend.remove(link);
  await backend.kill();
  await deleteNamespace(namespace);
});

test('our initiator and wireguard-go agree on a session, which counts there after a keepalive', {
  skip,
  timeout,
}, async () => {
  await using socket = await openRemoteSocket(namespace);
  await introduce({ publicKey: publicKeyFor('plain'), allowedIps: [] });
  const session = await shake(socket, initiatorOf('plain'));
  assert.equal(await latestHandshake('plain'), 0);
  sendKeepalive(socket, session);
  await eventually('the handshake counts', async () => (await latestHandshake('plain')) > 0);
});

test('the same with a preshared key; with another one its answer is not believed', { skip, timeout }, async () => {
  await using socket = await openRemoteSocket(namespace);
  const presharedKey = presharedKeyFor('shared');
  await introduce({ publicKey: publicKeyFor('secretive'), allowedIps: [], presharedKey });
  const wrong = initiatorOf('secretive');
  const answer = received(socket);
  socket.send(initiation(wrong), DEVICE_PORT);
  assert.deepEqual(wrong.receive(await answer, 1), { kind: 'ignored', reason: 'forged' });
  sendKeepalive(socket, await shake(socket, initiatorOf('secretive', presharedKey)));
  await eventually('the handshake counts', async () => (await latestHandshake('secretive')) > 0);
});

test('wireguard-go under load gives us a cookie, and answers who brings it back', { skip, timeout }, async () => {
  await using socket = await openRemoteSocket(namespace);
  await introduce({ publicKey: publicKeyFor('crowd'), allowedIps: [] });
  const initiator = initiatorOf('crowd');
  const seen: string[] = [];
  let session: Session | undefined;
  socket.onDatagram = (datagram) => {
    // The response to the first of the flood would end that attempt, and with it the interest in cookies.
    if (seen.length === 0 && datagram.length !== COOKIE_BYTES) return;
    const answer = initiator.receive(datagram, performance.now());
    seen.push(answer.kind);
    if (answer.kind === 'session') session = answer.session;
  };
  let looks = 0;
  await eventually('a session', () => {
    // It stays under load for a second after the flood.
    if (session === undefined && looks++ % 20 === 0) {
      socket.send(initiation(initiator), DEVICE_PORT, seen.includes('cookie') ? 1 : 3000);
    }
    return session !== undefined;
  });
  assert.equal(seen[0], 'cookie');
  sendKeepalive(socket, session ?? assert.fail());
  await eventually('the handshake counts', async () => (await latestHandshake('crowd')) > 0);
});

test('wireguard-go greets our responder, counts the handshake, hears our keepalive, and comes again', {
  skip,
}, async () => {
  await using socket = await openRemoteSocket(namespace);
  const responder = responderOf('beacon');
  const log = serve(socket, responder, new Map([[publicKeyFor('device'), {}]]));
  for (const round of [1, 2]) {
    await introduce(beaconPeer(responder, socket));
    await eventually('it is authenticated', () => log.firsts().length === round);
    await eventually('it counts the handshake', async () => (await latestHandshake('beacon')) > 0);
    const before = await receivedBytes('beacon');
    const keepalive = responder.keepalive(publicKeyFor('device'), performance.now());
    socket.send(keepalive ?? assert.fail('no session'), DEVICE_PORT);
    await eventually('it hears us', async () => (await receivedBytes('beacon')) === before + 32);
    await backend.apply(link, { peers: [{ kind: 'remove', publicKey: responder.publicKey }] });
  }
  assert.deepEqual(log.firsts()[0]?.peer, publicKeyFor('device'));
  assert.equal(log.firsts()[0]?.source, `127.0.0.1:${DEVICE_PORT}`);
  for (const message of log.datagrams.filter(([type]) => type === 1)) {
    const again = responder.handle(message, 'somewhere:1', performance.now(), () => ({}));
    assert.deepEqual(again, { kind: 'ignored', reason: 'replayed' });
  }
  for (const message of log.datagrams.filter(([type]) => type === 4)) {
    const again = responder.handle(message, 'somewhere:1', performance.now(), () => ({}));
    assert.equal(again.kind, 'ignored');
  }
});

test('wireguard-go and our responder share a preshared key, or no session', { skip, timeout }, async () => {
  await using socket = await openRemoteSocket(namespace);
  const responder = responderOf('discreet');
  const presharedKey = presharedKeyFor('discreet');
  const known = new Map<string, KnownPeer>([[publicKeyFor('device'), { presharedKey: presharedKeyFor('other') }]]);
  const log = serve(socket, responder, known);
  await introduce({ ...beaconPeer(responder, socket), presharedKey });
  await eventually('we answered', () => log.results.some(({ kind }) => kind === 'reply'));
  known.set(publicKeyFor('device'), { presharedKey });
  // Else its next timestamp might be the same, for it rounds to 16 ms.
  responder.forget(publicKeyFor('device'));
  await backend.apply(link, { peers: [{ kind: 'remove', publicKey: responder.publicKey }] });
  await introduce({ ...beaconPeer(responder, socket), presharedKey });
  await eventually('it is authenticated', () => log.firsts().length === 1);
  assert.equal(log.results.findIndex(({ kind }) => kind === 'authenticated') > 1, true);
});

test('wireguard-go brings the cookie back that our responder gave it under load', { skip, timeout }, async () => {
  await using socket = await openRemoteSocket(namespace);
  const responder = responderOf('busy');
  const log = serve(socket, responder, new Map([[publicKeyFor('device'), {}]]), true);
  await introduce(beaconPeer(responder, socket));
  // It tries again after five seconds.
  await eventually('it is authenticated', () => log.firsts().length === 1);
  const [first, second] = log.results;
  assert.deepEqual([first?.kind, first?.kind === 'reply' && first.peer], ['reply', null]);
  assert.deepEqual([second?.kind, second?.kind === 'reply' && second.peer], ['reply', publicKeyFor('device')]);
});

test('the probe completes a handshake with wireguard-go, or says what came of it', { skip, timeout }, async () => {
  await using socket = await openRemoteSocket(namespace);
  await introduce({ publicKey: publicKeyFor('prober'), allowedIps: [], presharedKey: presharedKeyFor('prober') });
  const options = {
    endpoint: { host: '127.0.0.1', port: DEVICE_PORT },
    privateKey: privateKeyFor('prober'),
    publicKey: publicKeyFor('device'),
    presharedKey: presharedKeyFor('prober'),
    timeoutMs: 10_000,
  };
  const result = await socket.probe(options);
  assert.ok(result.ok && result.rttMs > 0, JSON.stringify(result));
  assert.match(result.from, /^127\.0\.0\.1:\d+$/);
  assert.equal(result.to, `127.0.0.1:${DEVICE_PORT}`);
  await eventually('the handshake counts', async () => (await latestHandshake('prober')) > 0);
  const six = await socket.probe({ ...options, endpoint: { host: '::1', port: DEVICE_PORT } });
  assert.ok(six.ok && six.from.startsWith('[::1]:'), JSON.stringify(six));

  const reasonOf = async (change: Partial<typeof options>): Promise<string> => {
    const failed = await socket.probe({ ...options, ...change });
    return failed.ok ? 'ok' : failed.reason;
  };
  assert.equal(await reasonOf({ presharedKey: presharedKeyFor('wrong') }), 'bad-answer');
  assert.equal(await reasonOf({ privateKey: privateKeyFor('stranger'), timeoutMs: 700 }), 'no-answer');
  assert.equal(await reasonOf({ publicKey: publicKeyFor('stranger'), timeoutMs: 700 }), 'no-answer');
  assert.equal(await reasonOf({ endpoint: { host: '127.0.0.1', port: 9 } }), 'refused');
  assert.equal(await reasonOf({ endpoint: { host: '192.0.2.1', port: 9 } }), 'unreachable');
  assert.equal(await reasonOf({ endpoint: { host: 'gateway.invalid', port: 9 } }), 'unresolved');
});

test('wireguard-go acknowledges a data message of any size that arrives, although it is no packet', {
  skip,
  timeout,
}, async () => {
  await using socket = await openRemoteSocket(namespace);
  await introduce({ publicKey: publicKeyFor('measurer'), allowedIps: [] });
  const result = await socket.probe({
    endpoint: { host: '127.0.0.1', port: DEVICE_PORT },
    privateKey: privateKeyFor('measurer'),
    publicKey: publicKeyFor('device'),
    timeoutMs: 10_000,
    padding: { bytes: 1420, timeoutMs: 20_000 },
  });
  assert.ok(result.ok && result.acknowledged, JSON.stringify(result));
});

async function introduce(peer: PeerConfig): Promise<void> {
  await backend.apply(link, { peers: [{ kind: 'set', peer }] });
}

function beaconPeer(responder: Responder, socket: RemoteSocket): PeerConfig {
  const endpoint = `127.0.0.1:${socket.port}`;
  return { publicKey: responder.publicKey, allowedIps: [], endpoint, persistentKeepalive: 25 };
}

function initiatorOf(label: string, presharedKey?: string): Initiator {
  const keys = { privateKey: privateKeyFor(label), publicKey: publicKeyFor('device') };
  return new Initiator(presharedKey === undefined ? keys : { ...keys, presharedKey });
}

function responderOf(label: string): Responder {
  return new Responder({ privateKey: privateKeyFor(label), random: randomBytes });
}

function initiation(initiator: Initiator): Uint8Array {
  return initiator.initiate({
    ephemeral: randomBytes(32),
    senderIndex: randomBytes(4).readUInt32LE(),
    timestamp: tai64n(Date.now()),
    now: performance.now(),
  });
}

/** The next datagram that comes in. */
function received(socket: RemoteSocket): Promise<Uint8Array> {
  return new Promise((resolve) => {
    socket.onDatagram = resolve;
  });
}

/** Makes a session. Asks again as long as nothing comes: a second initiation within 20 ms is not answered. */
async function shake(socket: RemoteSocket, initiator: Initiator): Promise<Session> {
  let result: Answer | undefined;
  let looks = 0;
  socket.onDatagram = (datagram) => {
    result ??= initiator.receive(datagram, performance.now());
  };
  await eventually('an answer', () => {
    if (result === undefined && looks++ % 20 === 0) socket.send(initiation(initiator), DEVICE_PORT);
    return result !== undefined;
  });
  assert.ok(result?.kind === 'session' && result.roundTripMs > 0, JSON.stringify(result));
  return result.session;
}

function sendKeepalive(socket: RemoteSocket, session: Session): void {
  socket.send(session.keepalive(performance.now()) ?? assert.fail('the session is over'), DEVICE_PORT);
}

/** Lets a responder answer on a socket, and keeps what it said. */
function serve(socket: RemoteSocket, responder: Responder, known: ReadonlyMap<string, KnownPeer>, underLoad = false) {
  const results: (Authenticated | Reply | Ignored)[] = [];
  const datagrams: Uint8Array[] = [];
  socket.onDatagram = (datagram, source, port) => {
    const lookup = (key: string) => known.get(key) ?? null;
    const result = responder.handle(datagram, source, performance.now(), lookup, underLoad);
    datagrams.push(datagram);
    results.push(result);
    if (result.kind === 'reply') socket.send(result.datagram, port);
  };
  const firsts = () => results.filter((result) => result.kind === 'authenticated').filter(({ first }) => first);
  return { results, datagrams, firsts };
}

/** Epoch seconds, as `wg` says; 0: never. */
async function latestHandshake(label: string): Promise<number> {
  return Number((await shown('latest-handshakes', label))[0]);
}

async function receivedBytes(label: string): Promise<number> {
  return Number((await shown('transfer', label))[0]);
}

async function shown(what: string, label: string): Promise<string[]> {
  const lines = (await inNamespace(namespace, 'wg', 'show', link, what)).split('\n');
  const line = lines.find((text) => text.startsWith(publicKeyFor(label)));
  return line?.split('\t').slice(1) ?? assert.fail(`wg does not know ${label}`);
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cleanup } from './cleanup.ts';
import { Host } from './host.ts';
import { monotonicMs } from './host-requests.ts';
import { Link } from './link.ts';
import { cable, Namespace, uniqueTag, whyNoNamespaces } from './netns.ts';
import { outageOf, RequestStream } from './requests.ts';
import { UdpLink } from './udp-link.ts';
import { UdpSocket } from './udp-socket.ts';
import { until } from './wait.ts';

const skip = whyNoNamespaces() ?? false;
const server = '10.2.0.2';

/** A client, a router and a server; the router's sockets are the links. */
async function routed(t: { after(step: () => Promise<void>): void }) {
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  const tag = uniqueTag();
  const [a, router, b] = await Promise.all(
    ['a', 'router', 'b'].map((name) => Namespace.create(`sp-${tag}-${name}`, cleanup)),
  );
  assert.ok(a && router && b);
  await cable(
    { namespace: a, interface: 'eth0', addresses: ['10.1.0.2/24'] },
    { namespace: router, interface: 'left', addresses: ['10.1.0.1/24'] },
  );
  await cable(
    { namespace: router, interface: 'right', addresses: ['10.2.0.1/24'] },
    { namespace: b, interface: 'eth0', addresses: [`${server}/24`] },
  );
  await a.ip('route', 'add', 'default', 'via', '10.1.0.1');
  await b.ip('route', 'add', 'default', 'via', '10.2.0.1');
  await router.sysctl('net.ipv4.ip_forward', 1);
  const [client, middle, far] = await Promise.all([a, router, b].map((space) => Host.start(space, cleanup)));
  assert.ok(client && middle && far);
  return { client, middle, far, left: new Link(router, 'left'), right: new Link(router, 'right') };
}

test('loss matches the requested rate in both directions, and ends', { skip }, async (t) => {
  const { client, far, left } = await routed(t);
  const sink = await UdpSocket.open(far, { port: 9000 });
  const source = await UdpSocket.open(client);
  const arrived = async (text: string) => {
    const before = (await sink.inbox()).length;
    for (let i = 0; i < 200; i++) await source.send(`${server}:9000`, text);
    // Nothing is reordered here: the marker arrives last.
    await left.restore();
    await source.send(`${server}:9000`, `end of ${text}`);
    await sink.heard(`end of ${text}`);
    return (await sink.inbox()).length - before - 1;
  };
  assert.equal(await arrived('fair'), 200);
  await left.loss(30);
  const some = await arrived('rain');
  assert.ok(some > 90 && some < 190, `${some} of 200 at 30 %`);
  await left.loss(100, 'out');
  assert.equal(await arrived('one way'), 200);
  await left.loss(100, 'in');
  assert.equal(await arrived('other way'), 0);
});

test('a cut is silent or unplugs the host, and a series of requests measures its duration', { skip }, async (t) => {
  const { client, far, right } = await routed(t);
  await far.listenHttpSource(80);
  const stream = await RequestStream.start(client, `http://${server}/`, { everyMs: 20, timeoutMs: 300 });
  assert.equal((await stream.answered(0)).body, '10.1.0.2');
  for (const how of ['silently', 'unplugged'] as const) {
    const cutAt = monotonicMs();
    await right.cut(how);
    const carrier = (await far.namespace.ip('-br', 'link', 'show', 'eth0')).includes('LOWER_UP');
    assert.equal(carrier, how === 'silently');
    const errors = async () => (await stream.samples()).filter(({ at, error }) => at > cutAt && error === 'timeout');
    await until('requests to fail', async () => (await errors()).length >= 5);
    const restoredAt = monotonicMs();
    await right.restore();
    const answer = await stream.answered(restoredAt);
    // On a busy machine a later request may fail as well.
    const seen = (await stream.samples()).filter(({ at }) => at <= answer.at);
    const { failed, ms: lasted } = outageOf(seen, cutAt);
    const latest = Math.max(...seen.map(({ at, ms }) => at + ms));
    assert.ok(failed >= 5);
    assert.ok(lasted !== null && lasted >= restoredAt - cutAt && lasted <= latest - cutAt, `${how}: ${lasted} ms`);
  }
  const samples = await stream.stop();
  assert.ok(samples.length > 20);
  assert.deepEqual(outageOf(samples, monotonicMs()), { failed: 0, ms: 0 });
  assert.equal(outageOf([{ at: 1, ms: 1, error: 'timeout' }], 0).ms, null);
});

test('a UDP link delays, jitters and drops datagrams, by its address or transparently', { skip }, async (t) => {
  const { client, middle, far } = await routed(t);
  const mirror = await UdpSocket.open(far, { port: 9000, mirror: true });
  const link = await UdpLink.start(middle, { target: `${server}:9000`, divert: 'left', delayMs: 60, jitterMs: 20 });
  const socket = await UdpSocket.open(client);
  for (const to of [`10.1.0.1:${link.port}`, `${server}:9000`]) {
    const from = monotonicMs();
    const seen = await socket.seenBy(to);
    const took = monotonicMs() - from;
    assert.match(seen, /^10\.2\.0\.1:/, 'the link’s own address');
    assert.ok(took >= 118, `there and back through ${to} took ${took} ms`);
  }
  assert.deepEqual(await link.counts(), { forwarded: 4, lost: 0 });

  await link.weather({ delayMs: 0, jitterMs: 0, lossPercent: 40 });
  const before = (await mirror.inbox()).length;
  for (let i = 0; i < 200; i++) await socket.send(`${server}:9000`, `rain ${i}`);
  await until('all to be through or lost', async () => {
    const { forwarded, lost } = await link.counts();
    return forwarded + lost >= 200 + 4 + (await mirror.inbox()).length - before;
  });
  const heard = (await mirror.inbox()).length - before;
  assert.ok(heard > 80 && heard < 160, `${heard} of 200 at 40 %`);

  await link.stop();
  assert.match(await socket.seenBy(`${server}:9000`), /^10\.1\.0\.2:/, 'nothing is in the way any more');
});

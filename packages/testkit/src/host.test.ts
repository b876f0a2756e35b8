import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cleanup } from './cleanup.ts';
import { Host } from './host.ts';
import { cable, Namespace, uniqueTag, whyNoNamespaces } from './netns.ts';

test('two hosts on a cable reach each other by TCP, UDP and ICMP, and a closed port refuses', {
  skip: whyNoNamespaces() ?? false,
}, async (t) => {
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  const tag = uniqueTag();
  const a = await Namespace.create(`sp-${tag}-a`, cleanup);
  const b = await Namespace.create(`sp-${tag}-b`, cleanup);
  await cable(
    { namespace: a, interface: 'eth0', addresses: ['10.1.0.1/24', 'fd01::1/64'] },
    { namespace: b, interface: 'eth0', addresses: ['10.1.0.2/24', 'fd01::2/64'] },
  );
  const client = await Host.start(a, cleanup);
  const server = await Host.start(b, cleanup);
  await server.listenTcp(7000);
  await server.listenUdp(7001);
  await server.listenHttp(7002, 'private');
  assert.equal(await client.tcp('10.1.0.2', 7000), 'ok');
  assert.equal(await client.tcp('fd01::2', 7000), 'ok');
  assert.equal(await client.tcp('10.1.0.2', 7999), 'ECONNREFUSED');
  assert.equal(await client.udp('10.1.0.2', 7001), 'ok');
  assert.equal(await client.udp('fd01::2', 7001), 'ok');
  assert.equal(await client.ping('fd01::2'), 'ok');
  const answer = await client.http('http://10.1.0.2:7002/');
  assert.ok('body' in answer && answer.status === 200 && answer.body === 'private');
  assert.deepEqual(await client.http('http://10.1.0.2:7999/'), { error: 'ECONNREFUSED' });
  await client.startStream('s', '10.1.0.2', 7000, 5);
  await client.startDatagrams('d', '10.1.0.2', 7001, 5);
  const [stream, datagrams] = [await client.stopStream('s'), await client.stopStream('d')];
  assert.equal(stream.received, stream.sent);
  assert.equal(datagrams.received, datagrams.sent);
});

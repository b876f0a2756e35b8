import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { test } from 'node:test';
import { askLiveness } from './liveness.ts';
import { RelayMeter, relayProbeMagic } from './relay-meter.ts';

test('a kernel that refuses is alive, and an unreachable one is not', async () => {
  const rttMs = await askLiveness('127.0.0.1', 1_000);
  assert.ok(rttMs !== null && rttMs >= 0);
  assert.equal(await askLiveness('255.255.255.255', 1_000), null);
});

test('a relay point is timed by its answer, and silence is null', async () => {
  const relay = createSocket('udp4');
  await new Promise<void>((resolve) => relay.bind(0, '127.0.0.1', resolve));
  const seen: Buffer[] = [];
  relay.on('message', (datagram, { port, address }) => {
    seen.push(datagram);
    if (seen.length === 1) relay.send(datagram, port, address);
    else relay.send(Buffer.alloc(16), port, address);
  });
  const meter = new RelayMeter();
  const endpoint = `127.0.0.1:${relay.address().port}`;
  const rttMs = await meter.measure(endpoint);
  assert.ok(rttMs !== null && rttMs >= 0);
  assert.deepEqual(seen[0]?.subarray(0, 8), relayProbeMagic);
  assert.equal(await meter.measure(endpoint), null, 'what comes back is not what went');
  meter.close();
  relay.close();
});

import assert from 'node:assert/strict';
import { accessSync, constants } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { probeItem } from '@sallyport/agent-core/testing';
import { probeAll } from './probes.ts';

test('TCP probes distinguish answers, refusals and silence', async (t) => {
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const [open] = await probeAll([probeItem('open', '127.0.0.1', port)]);
  assert.deepEqual([open?.reachable, open?.resource, typeof open?.rttMs], [true, 'r1', 'number']);
  await new Promise((resolve) => server.close(resolve));

  const many = Array.from({ length: 100 }, (_, n) => probeItem(`closed${n}`, '127.0.0.1', port));
  const closed = await probeAll(many);
  assert.equal(closed.length, 100);
  assert.ok(closed.every(({ reachable, detail }) => !reachable && /nothing listens/.test(detail)));
  t.diagnostic(closed[0]?.detail ?? '');
});

test('ICMP probes use the system’s ping', async (t) => {
  try {
    accessSync('/usr/bin/ping', constants.X_OK);
  } catch {
    t.skip('needs ping (iputils-ping)');
    return;
  }
  const results = await probeAll(
    [probeItem('here', '127.0.0.1', null), probeItem('nowhere', '127.255.255.255', null)],
    1_000,
  );
  const byId = new Map(results.map((result) => [result.id, result]));
  assert.equal(byId.get('here')?.reachable, true);
  assert.equal(byId.get('nowhere')?.reachable, false);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { classItem } from '@sallyport/agent-core/testing';
import { Host, until, whyNoNamespaces } from '@sallyport/testkit';
import { deployableWorld } from './testing/waits.ts';

const skip = whyNoNamespaces() ?? false;
/** Connection to the gateway itself. */
const own = { v4: '10.20.0.1', v6: 'fd20::1' } as const;

test('connections to the gateway itself end when the ruleset is flushed after the agent’s death', {
  skip,
}, async (t) => {
  const made = await deployableWorld(t);
  const { controller, device, gateway } = made;
  const service = await Host.start(gateway, made.cleanup);
  await service.listenTcp(80);
  await controller.change([classItem('c1', [`${own.v4}-${own.v4}`, `${own.v6}-${own.v6}`])]);
  made.startAgent();
  await made.applied();
  await made.deviceUp();
  await until('the tunnel', async () => (await device.tcp(own.v4, 80, { timeoutMs: 400 })) === 'ok');
  for (const [id, address] of Object.entries(own)) {
    await device.startStream(id, address, 80);
    await until(`echoes of ${id}`, async () => (await device.stream(id)).received > 5);
  }

  await made.agent.kill('SIGKILL');
  for (const id of Object.keys(own)) {
    const { received } = await device.stream(id);
    await until(`${id} to go on without an agent`, async () => (await device.stream(id)).received > received + 5);
  }
  await gateway.exec('nft', 'flush', 'ruleset');
  const repeats = async (address: string, times: number) => {
    const host = address.includes(':') ? `[${address}]` : address;
    const sockets = await device.namespace.exec('ss', '-tinH', 'dst', `${host}:80`);
    return Number(/\bbackoff:(\d+)/.exec(sockets)?.[1] ?? 0) >= times;
  };
  for (const [id, address] of Object.entries(own)) {
    await until(`a segment of ${id} to be sent again`, () => repeats(address, 1));
    const { received } = await device.stream(id);
    await until('it to be sent again and again', () => repeats(address, 3));
    assert.equal((await device.stream(id)).received, received, id);
    assert.notEqual(await device.tcp(address, 80, { timeoutMs: 400 }), 'ok', 'a new connection');
  }
});

import assert from 'node:assert/strict';
import { createSocket, type Socket, type SocketOptions } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { addressOf } from './addresses.ts';
import { RelaySocket } from './socket.ts';

/** Creates sockets as a kernel without IPv6 does: binding one of IPv6 fails. */
function withoutIPv6(created: Socket[]): typeof createSocket {
  return ((options: SocketOptions) => {
    const socket = createSocket(options);
    created.push(socket);
    if (options.type === 'udp6')
      socket.bind = () => {
        const error = Object.assign(new Error('bind EAFNOSUPPORT'), { code: 'EAFNOSUPPORT' });
        process.nextTick(() => socket.emit('error', error));
        return socket;
      };
    return socket;
  }) as typeof createSocket;
}

for (const [host, create] of [
  ['with IPv6', () => createSocket],
  ['without IPv6', withoutIPv6],
] as const)
  test(`a port of the relay answers over IPv4 on a host ${host}`, async (t) => {
    const sockets: Socket[] = [];
    const probe = createSocket('udp4').bind(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address();
    probe.close();
    const relay = new RelaySocket(
      port,
      {
        message: (datagram, from) => relay.send(datagram, addressOf(from.address, from.port) ?? ''),
        error: (error) => assert.fail(error),
        broken: (error) => assert.fail(String(error)),
      },
      {},
      create(sockets),
    );
    t.after(() => relay.close());
    const client = createSocket('udp4');
    t.after(() => client.close());
    const answered = once(client, 'message');
    // The port is open a moment later.
    const again = setInterval(() => client.send('hello', port, '127.0.0.1'), 20);
    t.after(() => clearInterval(again));
    assert.equal(String((await answered)[0]), 'hello');
    relay.send(Buffer.from('lost'), '[::1]:9');
    assert.equal(sockets.length, host === 'with IPv6' ? 0 : 2);
  });

test('other errors of the socket are reported', async (t) => {
  const taken = createSocket({ type: 'udp6' }).bind(0);
  t.after(() => taken.close());
  await once(taken, 'listening');
  const code = await new Promise<string | undefined>((resolve) => {
    const events = {
      message: () => {},
      error: (error: NodeJS.ErrnoException) => resolve(error.code),
      broken: () => {},
    };
    const relay = new RelaySocket(taken.address().port, events);
    t.after(() => relay.close());
  });
  assert.equal(code, 'EADDRINUSE');
});

import assert from 'node:assert/strict';
import { type AddressInfo, connect, createServer } from 'node:net';
import { test } from 'node:test';
import { ControllerAddress } from './controller-address.ts';

const resolve = (controller: ControllerAddress, host: string, all: boolean) =>
  new Promise((done, fail) => {
    controller.lookup(host, { all }, (error, address) => (error === null ? done(address) : fail(error)));
  });

test('an address resolves to itself on the port of the channel', () => {
  const targets = (url: string) => new ControllerAddress(url, [], () => {}).targets;
  assert.deepEqual(targets('ws://192.0.2.1:8080/agent'), [{ address: '192.0.2.1', protocol: 'tcp', port: 8080 }]);
  assert.deepEqual(targets('wss://[2001:db8::1]/agent'), [{ address: '2001:db8::1', protocol: 'tcp', port: 443 }]);
});

test('a name that stops resolving keeps its last address', async () => {
  const known = [{ address: '192.0.2.9', protocol: 'tcp', port: 443 }] as const;
  const controller = new ControllerAddress('wss://gone.invalid/', known, () => assert.fail('nothing was learned'));
  assert.deepEqual(controller.targets, known);
  assert.deepEqual(await resolve(controller, 'gone.invalid', true), [{ address: '192.0.2.9', family: 4 }]);
  assert.equal(await resolve(controller, 'gone.invalid', false), '192.0.2.9');
  const unknown = new ControllerAddress('wss://gone.invalid/', [], () => {});
  await assert.rejects(resolve(unknown, 'gone.invalid', true));
});

test('a changed address of a name is reported once and used for connections', async (t) => {
  const server = createServer((socket) => socket.end('hello'));
  await new Promise<void>((listening) => server.listen(0, 'localhost', listening));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  let changes = 0;
  const controller = new ControllerAddress(`ws://localhost:${port}/`, [], () => changes++);
  assert.deepEqual(controller.targets, []);
  const heard = await new Promise((done, fail) => {
    const socket = connect({ host: 'localhost', port, lookup: controller.lookup });
    socket.once('error', fail);
    socket.once('data', (data) => done(data.toString()));
  });
  assert.equal(heard, 'hello');
  assert.equal(changes, 1);
  assert.ok(controller.targets.length > 0);
  await resolve(controller, 'localhost', true);
  assert.equal(changes, 1);
});

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startApi } from './testing/api-server.ts';
import { fixtures, resource } from './testing/fixtures.ts';
import { folder, sally } from './testing/run.ts';

test('a gateway test that finds an error fails, whatever its final status', async (t) => {
  const api = await startApi(t);
  assert.equal((await sally(api, ['gateways', 'test', 'berlin'])).code, 0);
  for (const field of ['error', '_error']) {
    api.replies.set('testGateway', () => ({ body: { status: 'ONLINE', [field]: 'UDP 51820 does not answer' } }));
    const { code, out, err } = await sally(api, ['gateways', 'test', 'berlin']);
    assert.equal(code, 1);
    assert.match(out, /- UDP 51820 does not answer\n/);
    assert.match(err, /gateway berlin failed: UDP 51820 does not answer/);
  }
});

test('a gateway test shows progress on a terminal only', async (t) => {
  const api = await startApi(t);
  const shown = await sally(api, ['gateways', 'test', 'berlin'], { tty: true });
  assert.match(shown.err, /Testing gateway berlin … 0 s/);
  assert.ok(shown.err.endsWith('\r\u001b[K'), 'the line is taken away');
  assert.equal((await sally(api, ['gateways', 'test', 'berlin'])).err, '');
});

test('creating a gateway prints the public address of the controller', async (t) => {
  const api = await startApi(t);
  const here = await sally(api, ['gateways', 'create', 'x']);
  assert.match(here.err, /works on this host only\.[\s\S]*SALLYPORT_PUBLIC_URL/);
  const publicUrl = 'https://vpn.example.com';
  api.replies.set('getTenant', () => ({ body: { ...fixtures.answers.getTenant, publicUrl } }));
  for (const command of [
    ['gateways', 'create', 'x'],
    ['gateways', 'rekey', 'berlin'],
    ['enrolment-keys', 'create'],
  ]) {
    const { err } = await sally(api, command);
    assert.match(err, / --controller https:\/\/vpn\.example\.com /, command.join(' '));
    assert.doesNotMatch(err, /127\.0\.0\.1/);
  }
});

test('a controller with archives is told as one line that asks for the secret', async (t) => {
  const api = await startApi(t);
  const installUrl = 'https://vpn.example.com/install';
  api.replies.set('getTenant', () => ({ body: { ...fixtures.answers.getTenant, installUrl } }));
  api.replies.set('createGateway', () => ({ body: { ...fixtures.answers.createGateway, status: 'PENDING' as const } }));
  const gateway = await sally(api, ['gateways', 'create', 'x']);
  assert.match(gateway.err, /^ {2}curl -fsSL https:\/\/vpn\.example\.com\/install\/gateway \| sudo sh$/m);
  assert.doesNotMatch(gateway.err, /gateway run/);
  const device = await sally(api, ['enrolment-keys', 'create']);
  assert.match(device.err, /^ {2}curl -fsSL https:\/\/vpn\.example\.com\/install\/client \| sudo sh$/m);
  for (const { err } of [gateway, device]) assert.doesNotMatch(err, /token-of|sp[0-9]\.|key-of/);
  api.replies.set('rekeyGateway', () => ({ body: { ...fixtures.answers.rekeyGateway, status: 'OFFLINE' as const } }));
  // Its host has keys already, so the script would not ask for the new token.
  assert.match((await sally(api, ['gateways', 'rekey', 'berlin'])).err, / --token-file /);
});

test('a resource with only names is shown as unreachable', async (t) => {
  const api = await startApi(t);
  const names = {
    ...resource(41, 'intranet'),
    ...{
      type: 'SAAS' as const,
      status: 'OFFLINE' as const,
      unreachableReason: 'It has names only, and gateways resolve no names of type SAAS',
    },
    addresses: resource(41, 'x').addresses.map((one) => ({
      ...{ ...one, type: 'SAAS' as const, address: 'wiki.example.com', isIp: false },
    })),
  };
  api.replies.set('getResource', () => ({ body: names }));
  api.replies.set('listResources', () => ({ body: { ...fixtures.answers.listResources, data: [names] } }));
  assert.match((await sally(api, ['resources', 'list'])).out, /intranet +SAAS +NOT ENFORCED: names only/);
  const { out } = await sally(api, ['resources', 'get', 'intranet']);
  assert.match(out, /Unreachable +It has names only/);
  assert.match(out, /wiki\.example\.com +HTTPS +SAAS +no: gateways resolve names of type PRIVATE/);
});

test('status of a disconnected device says so, and does not try a controller on this host', async (t) => {
  const dir = await folder(t);
  await writeFile(join(dir, 'client.json'), JSON.stringify({ version: 1, controller: 'https://c.example' }));
  const down = await sally(undefined, ['status', '--state-dir', dir]);
  assert.deepEqual([down.code, down.out], [1, '']);
  assert.equal(down.err, 'This device is disconnected from https://c.example. Connect it again: sudo sally up\n');
  const json = await sally(undefined, ['status', '--state-dir', dir, '--json']);
  assert.deepEqual(JSON.parse(json.out), { device: null });
});

import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { routeItem } from '@sallyport/agent-core/testing';
import type { NameItem } from '@sallyport/contract/channel';
import { until } from '@sallyport/testkit';
import { ownResolvConf, startResolver as resolver, skip } from './testing/resolver.ts';
import { World } from './testing/world.ts';

const before = '# by hand\nnameserver 192.0.2.10\noptions timeout:1\n';
const wiki: NameItem = {
  ...{ kind: 'name', key: 'name/wiki.corp.example', id: 'wiki.corp.example', addresses: ['100.96.0.1'] },
  resources: [],
};

test('a device sends queries for its names into the tunnel, and all others where they went before', {
  skip,
}, async (t) => {
  const world = await World.create(t);
  const { namespace } = world.device;
  const file = await ownResolvConf(world, before);
  const gateway = world.gateway(1);
  await gateway.namespace.ip('addr', 'add', '100.96.0.1/32', 'dev', 'lo');
  await resolver(t, gateway.namespace, '100.64.0.1', ['wiki.corp.example,100.96.0.1']);
  await resolver(t, { name: `spc-ctl-${world.tag}` }, '192.0.2.10', [
    'public.example,203.0.113.5',
    'wiki.corp.example,203.0.113.6',
  ]);
  const route = routeItem('100.96.0.1/32', [1], { mode: 'MANUAL', resources: ['wiki'] });
  const resolve = async (name: string): Promise<string> => {
    const script = `require('dns').lookup('${name}', 4, (e, a) => console.log(e ? e.code : a))`;
    return (await namespace.exec(process.execPath, '-e', script)).trim();
  };
  const isNow = (name: string, address: string) =>
    until(`${name} to be ${address}`, async () => (await resolve(name)) === address);

  await world.up();
  assert.equal(await readFile(file, 'utf8'), before, 'without names nothing is touched');

  await t.test('while it has names', async () => {
    await world.controller.change([route, wiki]);
    await isNow('wiki.corp.example', '100.96.0.1');
    assert.equal(await resolve('public.example'), '203.0.113.5');
    await world.reaches('100.96.0.1');
    const text = await readFile(file, 'utf8');
    assert.ok(text.endsWith(before) && text.includes('127.0.0.153'));
    const names = [{ name: 'wiki.corp.example', addresses: ['100.96.0.1'], resources: ['wiki'] }];
    assert.deepEqual((await world.status()).names, { by: 'resolv.conf', problem: null, names });
  });

  await t.test('and sally dns explains a name', async () => {
    const text = await world.command('dns', 'Wiki.corp.example.');
    assert.match(text, /^name +wiki\.corp\.example$/m);
    assert.match(text, /^resource +wiki$/m);
    assert.match(text, /^it answers +100\.96\.0\.1 in [\d.]+ ms \(100\.64\.0\.1\)$/m);
    assert.match(text, /^this host +100\.96\.0\.1 in [\d.]+ ms, by resolv\.conf$/m);
    const other = JSON.parse(await world.command('dns', 'public.example', '--json'));
    assert.deepEqual([other.resources, other.host.addresses], [[], ['203.0.113.5']]);
    assert.deepEqual([other.answers[0].server, other.answers[0].addresses], ['192.0.2.10', ['203.0.113.5']]);
  });

  await t.test('also after another program has written the file', async () => {
    await writeFile(file, before);
    await isNow('wiki.corp.example', '100.96.0.1');
  });

  await t.test('and a killed daemon leaves a host that resolves, until sally down restores the file', async () => {
    await world.daemon.kill('SIGKILL');
    assert.equal(await resolve('public.example'), '203.0.113.5');
    assert.match(await world.command('down'), /resolvers/);
    assert.equal(await readFile(file, 'utf8'), before);
  });

  await t.test('and the end of the last name restores it too', async () => {
    world.startDaemon([], '\n');
    await isNow('wiki.corp.example', '100.96.0.1');
    await world.controller.change([], [route.key, wiki.key]);
    await until('the file to be restored', async () => (await readFile(file, 'utf8')) === before);
    assert.equal(await resolve('public.example'), '203.0.113.5');
  });

  await t.test('and a start without the controller cleans up what a power failure left', async () => {
    await world.daemon.kill('SIGKILL');
    await world.controller.kill();
    await writeFile(
      file,
      `${await readFile(file, 'utf8')}# Sallyport: the next line sends names of resources into the tunnel. "sally down" removes both lines.\nnameserver 127.0.0.153\n`,
    );
    world.startDaemon([], '\n');
    await until('the file to be restored', async () => (await readFile(file, 'utf8')) === before);
  });
});

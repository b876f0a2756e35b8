import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { routeItem } from '@sallyport/agent-core/testing';
import type { NameItem } from '@sallyport/contract/channel';
import { Host, until } from '@sallyport/testkit';
import { ownResolvConf, skip, startResolver } from './testing/resolver.ts';
import { World } from './testing/world.ts';

const portalAddress = '192.0.2.10';
/** With time for a slow machine. */
const own = `nameserver ${portalAddress}\noptions timeout:20\n`;
const wiki: NameItem = {
  ...{ kind: 'name', key: 'name/wiki.corp.example', id: 'wiki.corp.example', addresses: ['100.96.0.1'] },
  resources: [],
};

test('in a captive portal names of resources fail, all others lead to the portal, and all recovers after log-in', {
  skip,
}, async (t) => {
  const world = await World.create(t);
  const { namespace } = world.device;
  const file = await ownResolvConf(world, own);
  const gateway = world.gateway(1);
  await gateway.namespace.ip('addr', 'add', '100.96.0.1/32', 'dev', 'lo');
  await startResolver(t, gateway.namespace, '100.64.0.1', ['wiki.corp.example,100.96.0.1']);
  const internet = () => startResolver(t, world.control, portalAddress, ['public.example,203.0.113.5']);
  const look = async (name: string): Promise<string> => {
    const script = `require('dns').lookup('${name}', 4, (e, a) => console.log(e ? e.code : a))`;
    return (await namespace.exec(process.execPath, '-e', script)).trim();
  };
  const isNow = (name: string, address: string) =>
    until(`${name} to be ${address}`, async () => (await look(name)) === address);
  const nft = (words: string) => world.control.exec('nft', words);
  /** The portal takes every connection to itself, and lets nothing else through. */
  const close = async () => {
    await nft('add table ip portal');
    await nft('add chain ip portal taken { type nat hook prerouting priority dstnat; }');
    await nft('add chain ip portal begun { type filter hook input priority 0; }');
    await nft('add rule ip portal taken tcp dport 7000 redirect to :80');
    await nft('add rule ip portal begun tcp dport 7000 drop');
    for (const port of ['gw1', 'gw2']) await world.switch.ip('link', 'set', port, 'down');
  };
  const logIn = async () => {
    await nft('delete table ip portal');
    for (const port of ['gw1', 'gw2']) await world.switch.ip('link', 'set', port, 'up');
  };
  const resolver = await internet();
  await (await Host.start(world.control, world.cleanup)).listenHttp(80, 'please log in');

  await world.up();
  await world.controller.change([routeItem('100.96.0.1/32', [1], { mode: 'MANUAL', resources: ['wiki'] }), wiki]);
  await isNow('wiki.corp.example', '100.96.0.1');
  await isNow('public.example', '203.0.113.5');

  await resolver();
  await close();
  const portal = await startResolver(t, world.control, portalAddress, [], portalAddress);

  await t.test('while the device is in it', async () => {
    await isNow('public.example', portalAddress);
    assert.equal(await look('wiki.corp.example'), 'ENOTFOUND', 'no other resolver is asked for it');
    assert.ok((await readFile(file, 'utf8')).endsWith(own));
  });

  await t.test('also when the client starts there', async () => {
    await world.daemon.kill('SIGKILL');
    world.startDaemon([], '\n');
    await until('the names', async () => (await world.status().catch(() => null))?.names?.by === 'resolv.conf');
    await isNow('public.example', portalAddress);
    assert.equal(await look('wiki.corp.example'), 'ENOTFOUND');
  });

  await portal();
  await internet();
  await logIn();
  await t.test('and after log-in', async () => {
    await isNow('wiki.corp.example', '100.96.0.1');
    await isNow('public.example', '203.0.113.5');
    await world.reaches('100.96.0.1');
    await world.is('connected', ({ controller }) => controller.connected);
  });
});

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { clientItem, routeItem } from '@sallyport/agent-core/testing';
import { exec, until } from '@sallyport/testkit';
import { ownResolvConf, skip, startResolver } from './testing/resolver.ts';
import { World } from './testing/world.ts';

test('with a full tunnel no query of the device leaves it another way', { skip }, async (t) => {
  const world = await World.create(t);
  const { namespace } = world.device;
  const own = 'nameserver 10.66.0.10\noptions timeout:1\n';
  const file = await ownResolvConf(world, own);
  // A private network, whose resolvers a full tunnel leaves to the host by default.
  await namespace.ip('addr', 'add', '10.66.0.2/24', 'dev', 'eth0');
  await exec('ip', ['-n', `spc-ctl-${world.tag}`, 'addr', 'add', '10.66.0.10/24', 'dev', 'eth0']);
  const gateway = world.gateway(1);
  const there = () =>
    startResolver(t, gateway.namespace, '100.64.0.1', ['public.example,203.0.113.7', 'late.example,203.0.113.8']);
  await startResolver(t, { name: `spc-ctl-${world.tag}` }, '10.66.0.10', ['public.example,203.0.113.5']);
  const resolve = async (name: string): Promise<string> => {
    const script = `require('dns').lookup('${name}', 4, (e, a) => console.log(e ? e.code : a))`;
    return (await namespace.exec(process.execPath, '-e', script)).trim();
  };
  const nft = (...words: string[]) => namespace.exec('nft', ...words);
  await nft('add', 'table', 'inet', 'seen');
  await nft('add', 'chain', 'inet', 'seen', 'out', '{ type filter hook postrouting priority 300; }');
  const queries = ['oifname', 'eth0', 'meta', 'l4proto', '{ tcp, udp }', 'th', 'dport', '53'];
  await nft('add', 'rule', 'inet', 'seen', 'out', ...queries, 'counter');
  const seen = async () => Number(/counter packets (\d+)/.exec(await nft('list', 'table', 'inet', 'seen'))?.[1]);
  const full = routeItem('0.0.0.0/0', [1]);

  await world.up();
  await world.controller.change([clientItem({ forwarding: true }), full]);
  await until('the full tunnel', async () => (await world.status()).routes.some(({ prefix }) => prefix === full.id));
  assert.equal(await resolve('public.example'), '203.0.113.5', 'until the gateway answers for all names');
  assert.ok((await seen()) > 0, 'the counter sees queries');

  await t.test('once the gateway answers for all names', async () => {
    await there();
    await until('names through the tunnel', async () => (await world.status()).names?.all === true);
    await until('the answer of the gateway', async () => (await resolve('public.example')) === '203.0.113.7');
    const earlier = await seen();
    assert.equal(await resolve('late.example'), '203.0.113.8');
    assert.match(await resolve('absent.example'), /^E/, 'nor to the next resolver of the file');
    const direct = `const r = new (require('dns').Resolver)({ timeout: 500, tries: 1 }); r.setServers(['10.66.0.10']); r.resolve4('public.example', (e) => console.log(e ? 'closed' : 'open'))`;
    assert.equal((await namespace.exec(process.execPath, '-e', direct)).trim(), 'closed');
    assert.equal(await seen(), earlier);
  });

  await t.test('and the end of the full tunnel restores the host', async () => {
    await world.controller.change([clientItem()], [full.key]);
    await until('the file to be restored', async () => (await readFile(file, 'utf8')) === own);
    await until('the local resolver', async () => (await resolve('public.example')) === '203.0.113.5');
  });
});

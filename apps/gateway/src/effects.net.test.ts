import assert from 'node:assert/strict';
import { test } from 'node:test';
import { probeItem } from '@sallyport/agent-core/testing';
import { until, whyNoNamespaces } from '@sallyport/testkit';
import { deployableWorld, fails, reachable, recovers, stillReachable } from './testing/waits.ts';
import { serverAddress, serverAddress6, type World } from './testing/world.ts';

const skip = whyNoNamespaces() ?? false;
/** Well before the sweep, which checks everything every thirty seconds. */
const soon = { timeoutMs: 20_000 };

const setting = async ({ gateway }: World, name: string): Promise<string> =>
  (await gateway.exec('sysctl', '-n', name)).trim();

test('settings of the host are judged by their effect', { skip }, async (t) => {
  const made = await deployableWorld(t);
  await made.controller.change([probeItem('a1', serverAddress, 80), probeItem('a2', serverAddress6, 80)]);
  made.startAgent();
  await made.applied();
  await made.deviceUp();
  await until('the tunnel', () => reachable(made));
  const { gateway, interface: tunnel } = made;
  const lan = (await gateway.ip('-o', 'route', 'get', serverAddress)).match(/ dev (\S+)/)?.[1] ?? '';

  await t.test('disabled forwarding is restored', async () => {
    await gateway.sysctl('net.ipv4.ip_forward', 0);
    await until('forwarding', async () => (await setting(made, 'net.ipv4.ip_forward')) === '1', soon);
    await gateway.sysctl(`net.ipv4.conf.${tunnel}.forwarding`, 0);
    await until('forwarding', async () => (await setting(made, `net.ipv4.conf.${tunnel}.forwarding`)) === '1', soon);
    await until('the tunnel', () => reachable(made));
  });

  await t.test('a strict reverse path filter becomes loose, and a disabled one stays', async () => {
    await gateway.sysctl(`net.ipv4.conf.${tunnel}.rp_filter`, 1);
    await until('the filter', async () => (await setting(made, `net.ipv4.conf.${tunnel}.rp_filter`)) === '2', soon);
    await gateway.sysctl('net.ipv4.conf.all.rp_filter', 0);
    await gateway.sysctl(`net.ipv4.conf.${tunnel}.rp_filter`, 0);
    // A later change has been repaired, so this one has been checked.
    await gateway.sysctl('net.ipv4.ip_forward', 0);
    await until('forwarding', async () => (await setting(made, 'net.ipv4.ip_forward')) === '1', soon);
    assert.equal(await setting(made, `net.ipv4.conf.${tunnel}.rp_filter`), '0');
  });

  await t.test('forwarding that is off on one interface is an error that names it', async () => {
    await gateway.sysctl(`net.ipv4.conf.${lan}.forwarding`, 0);
    const { message } = await fails(made, 'path-blocked');
    assert.match(message, new RegExp(`10\\.20\\.0\\.10 port 80.*sysctl -w net\\.ipv4\\.conf\\.${lan}\\.forwarding=1`));
    assert.equal(await reachable(made), false);
    await gateway.sysctl(`net.ipv4.conf.${lan}.forwarding`, 1);
    await recovers(made);
    assert.equal(await stillReachable(made), true);
  });

  await t.test('a closing rule that cannot be restored is an error, until it can', async () => {
    const foreign = ['pref', '0', 'fwmark', '0x200/0xf00', 'lookup', 'main'];
    await gateway.ip('rule', 'add', ...foreign);
    await gateway.ip('rule', 'del', 'pref', '0', 'iif', tunnel);
    const told = async () => (await made.controller.heard()).filter(({ type }) => type === 'failed');
    const pattern = /nother IPv4 policy rule has priority 0.*higher priority number/;
    await until('the error', async () => pattern.test(JSON.stringify((await told()).at(-1))), soon);
    await gateway.ip('rule', 'del', ...foreign);
    await recovers(made);
    assert.match(await gateway.ip('rule'), new RegExp(`iif ${tunnel} .*prohibit`));
  });
});

test('settings that a container fixes are accepted if they work', { skip }, async (t) => {
  const made = await deployableWorld(t);
  await made.controller.change([probeItem('a1', serverAddress, 80)]);
  const { gateway } = made;
  const readOnly = 'mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys && exec "$@"';
  const inContainer = ['unshare', '-m', 'sh', '-c', readOnly, 'sh'];
  await gateway.sysctl('net.ipv4.ip_forward', 0);
  await gateway.sysctl('net.ipv4.conf.all.src_valid_mark', 1);
  await gateway.sysctl('net.ipv4.conf.all.send_redirects', 1);
  await gateway.sysctl('net.ipv4.conf.default.rp_filter', 1);
  await gateway.sysctl('net.ipv6.conf.all.forwarding', 0);
  made.startAgent([], undefined, inContainer);

  await t.test('the error names the setting and value without which nothing passes', async () => {
    assert.match((await fails(made, 'no-privilege')).message, /--sysctl net\.ipv4\.ip_forward=1\b/);
  });

  await t.test('other settings stay, and packets pass', async () => {
    await gateway.sysctl('net.ipv4.ip_forward', 1);
    await made.applied();
    await made.deviceUp();
    await until('the tunnel', () => reachable(made));
    assert.equal(await setting(made, 'net.ipv4.conf.all.send_redirects'), '1');
    assert.equal((await made.controller.heard()).at(-1)?.type === 'failed', false);
  });
});

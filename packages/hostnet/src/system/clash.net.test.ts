import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { Namespace, namespacesMissing, until } from '../testing/namespaces.ts';
import type { HostState } from '../types.ts';

const skip = await namespacesMissing();
const STATE: HostState = {
  interface: 'sp0',
  addresses: ['100.64.0.1/32', 'fd7a:1::1/128'],
  overlay: { v4: '100.64.0.0/10', v6: 'fd7a:1::/48' },
  members: ['100.64.0.0/24', '100.64.7.0/24', '100.127.255.255/32', 'fd7a:1::/120'],
  mtu: 1500,
  routes: [],
};

describe('host with addresses of the overlay', { skip }, () => {
  const space = new Namespace('c');
  const neighbour = new Namespace('n');
  before(async () => {
    await Promise.all([space.start(), neighbour.start()]);
    await space.ip(`
      link add wan0 type veth peer name n0 netns ${neighbour.name}
      link set wan0 up
      tuntap add sp0 mode tun`);
    await neighbour.ip('link set n0 up');
  });
  afterEach(async () => {
    await space.ip('-4 address flush dev wan0');
    await space.ip('-6 address flush dev wan0 scope global');
  });
  after(() => Promise.all([space.stop(), neighbour.stop()]));

  const device = async (address: string) => / dev (\S+)/.exec(await space.exec('ip', 'route', 'get', address))?.[1];
  const both = async (own: string, other: string) => {
    const flags = own.includes(':') ? ' nodad' : '';
    await space.ip(`address add ${own} dev wan0${flags}`);
    await neighbour.ip(`address replace ${other} dev n0${flags}`);
  };
  const reaches = (address: string) => space.succeeds('ping', '-c', '1', '-W', '3', address);

  it('leaves a network outside the used addresses untouched', async () => {
    await both('100.100.0.2/20', '100.100.0.1/20');
    await space.call('hostUp', STATE);
    assert.ok(await reaches('100.100.0.1'));
    assert.deepEqual(await Promise.all(['100.64.0.9', '100.64.7.9', 'fd7a:1::9'].map(device)), ['sp0', 'sp0', 'sp0']);
    await space.ip('route add 100.64.0.0/10 via 100.100.0.1');
    await space.call('hostUp', STATE);
    assert.deepEqual(await Promise.all(['100.64.0.9', '100.64.9.9'].map(device)), ['sp0', 'wan0']);
  });

  for (const [what, own, other] of [
    ['as wide as the overlay', '100.64.0.77/10', '100.64.0.78/10'],
    ['as wide as a part', '100.64.7.77/24', '100.64.7.78/24'],
    ['within a part', '100.64.0.77/28', '100.64.0.78/28'],
    ['of IPv6', 'fd7a:1::77/64', 'fd7a:1::78/64'],
  ] as const)
    it(`reports and closes for a connected network ${what}, and opens after its removal`, async () => {
      await space.call('hostUp', STATE);
      await both(own, other);
      const expected = {
        code: 'address-clash',
        message: /on wan0 has addresses of the overlay/,
        hint: /SALLYPORT_OVERLAY/,
      };
      await assert.rejects(space.call('hostUp', STATE), expected);
      await assert.rejects(space.call('hostUp', STATE), expected);
      assert.ok(await reaches(other.replace(/\/.*/, '')), 'the host has its network');
      assert.doesNotMatch(await space.exec('ip', '-o', 'route'), /sp0|proto 83/);
      assert.doesNotMatch(await space.exec('ip', '-o', 'link', 'show', 'sp0'), /[<,]UP/);
      assert.match((await space.call('hostVerify', STATE)).join(), /has addresses of the overlay/);
      await space.ip(`address del ${own} dev wan0`);
      await space.call('hostUp', STATE);
      assert.deepEqual(await space.call('hostVerify', STATE), []);
      assert.equal(await device('100.64.0.9'), 'sp0');
    });

  it('closes for a route of another VPN, and detects routes of other tables', async () => {
    await space.ip('tuntap add vpn0 mode tun\n link set vpn0 up\n route add 100.64.7.128/25 dev vpn0 table 52');
    await assert.rejects(space.call('hostUp', STATE), {
      code: 'address-clash',
      message: /100\.64\.7\.128\/25 on vpn0/,
    });
    await space.ip('route del 100.64.7.128/25 dev vpn0 table 52\n route add 100.64.0.200/32 dev vpn0 table 52');
    const { conflicts } = await space.call('hostUp', STATE);
    assert.deepEqual(conflicts, [
      '100.64.0.200/32 of 100.64.0.0/24 does not go into the tunnel: the host has it on vpn0',
    ]);
    await space.ip('tuntap del vpn0 mode tun');
  });

  it('reports an added and a removed network', async () => {
    await space.call('hostUp', STATE);
    await space.call('hostWatch', STATE);
    const reports = () => space.call('hostReports');
    await until('the monitor to run', async () => {
      await space.ip('rule add pref 99 lookup main\n rule del pref 99 lookup main');
      return (await reports()) > 0;
    });
    for (const command of ['address add 100.64.7.7/24 dev wan0', 'address del 100.64.7.7/24 dev wan0']) {
      const before = await reports();
      await space.ip(command);
      await until(`a report of ${command}`, async () => (await reports()) > before);
    }
    await space.call('hostUnwatch');
  });
});

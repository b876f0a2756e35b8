import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Namespace, namespacesMissing, until } from '../testing/namespaces.ts';
import { OVERLAY } from '../testing/topology.ts';
import type { HostState } from '../types.ts';

const skip = await namespacesMissing();
const STATE: HostState = {
  interface: 'sp0',
  addresses: ['100.64.0.1/32', 'fd7a:1::1/128'],
  overlay: OVERLAY,
  mtu: 1280,
  routes: [],
};

describe('host', { skip }, () => {
  const space = new Namespace('h');
  before(async () => {
    await space.start();
    await space.exec('ip', 'tuntap', 'add', 'lan0', 'mode', 'tun');
  });
  after(() => space.stop());

  it('reports a missing interface', async () => {
    await space.call('hostPreflight');
    await assert.rejects(space.call('hostUp', STATE), { code: 'missing-interface' });
  });

  it('comes up, changes nothing again, and goes down without a trace', async () => {
    await space.exec('ip', 'tuntap', 'add', 'sp0', 'mode', 'tun');
    const before = await snapshot();
    const up = await space.call('hostUp', STATE);
    assert.equal(up.changed, true);
    assert.ok(up.sysctls.some(({ path, before }) => path === 'net/ipv4/ip_forward' && before === '0'));
    assert.deepEqual(await space.call('hostVerify', STATE), []);
    assert.deepEqual(await space.call('hostUp', STATE), {
      changed: false,
      differences: [],
      conflicts: [],
      sysctls: [],
    });
    const rules = (await space.exec('ip', '-6', 'rule')).split('\n');
    assert.match(rules[0] ?? '', /^0:\s+from all fwmark 0\/0x8000000 iif sp0.* prohibit/);
    assert.match(rules[1] ?? '', /^0:\s+from all lookup local\s*$/);
    await space.call('hostDown', STATE, up.sysctls);
    await space.exec('ip', 'link', 'set', 'sp0', 'down', 'mtu', '1500');
    assert.equal(await snapshot(), before);
    await space.call('hostDown', STATE, []);
  });

  it('repairs foreign changes, and nothing else', async () => {
    await space.call('hostUp', STATE);
    await space.exec('ip', 'address', 'add', '100.64.9.9/32', 'dev', 'sp0');
    await space.exec('ip', 'address', 'del', '100.64.0.1/32', 'dev', 'sp0');
    await space.exec('ip', '-6', 'rule', 'del', 'pref', '0', 'iif', 'sp0');
    await space.exec('ip', 'route', 'del', '100.64.0.0/10', 'dev', 'sp0');
    await space.exec('sysctl', '-qw', 'net.ipv4.ip_forward=0');
    const differences = [
      'IPv6: no rule prohibits unmarked packets before local addresses are looked up',
      'IPv4: address 100.64.0.1/32 is missing',
      'IPv4: address 100.64.9.9/32 is not ours',
      'IPv4: no route for 100.64.0.0/10',
      'net/ipv4/ip_forward is 0, not 1',
    ];
    assert.deepEqual(await space.call('hostVerify', STATE), differences);
    assert.deepEqual((await space.call('hostUp', STATE)).differences, differences);
    assert.deepEqual(await space.call('hostVerify', STATE), []);
  });

  it('returns the previous settings even if the kernel refuses an address', async () => {
    await space.exec('sysctl', '-qw', 'net.ipv4.ip_forward=0');
    await space.call('hostKept');
    await assert.rejects(space.call('hostUp', { ...STATE, addresses: ['100.64.0.1/32', 'ff02::9/128'] }), {
      code: 'rejected',
    });
    assert.deepEqual(await space.call('hostKept'), [{ path: 'net/ipv4/ip_forward', value: '1', before: '0' }]);
    assert.equal((await space.exec('sysctl', '-n', 'net.ipv4.ip_forward')).trim(), '1');
  });

  it('reports possible changes of its own objects at once, and no other changes', async () => {
    await space.call('hostUp', STATE);
    await space.call('hostWatch', STATE);
    const reports = () => space.call('hostReports');
    /** Waits until no report has come for longer than reports are delayed, so all earlier ones have arrived. */
    const settled = async (): Promise<number> => {
      let [count, since] = [await reports(), performance.now()];
      await until('reports to end', async () => {
        const now = await reports();
        if (now !== count) [count, since] = [now, performance.now()];
        return performance.now() - since > 1200;
      });
      return count;
    };
    await until('the monitor to run', async () => {
      await space.ip('rule add pref 99 lookup main\n rule del pref 99 lookup main');
      return (await reports()) > 0;
    });
    const ours = [
      'route del 100.64.0.0/10 dev sp0',
      '-6 route del blackhole fd7a:1::/48 metric 4000000',
      'address del fd7a:1::1/128 dev sp0',
      'rule del pref 0 iif sp0',
      'tuntap del sp0 mode tun',
    ];
    for (const command of ours) {
      const before = await settled();
      await space.ip(command);
      await until(`a report of ${command}`, async () => (await reports()) > before);
    }
    const before = await settled();
    await space.ip(`
      address add 10.3.3.3/32 dev lan0
      route add blackhole 10.4.0.0/16
      route del blackhole 10.4.0.0/16`);
    assert.equal(await settled(), before, 'changes of others are none of ours');
    await space.call('hostUnwatch');
    await space.ip('tuntap add sp0 mode tun');
  });

  it('keeps replies inside when the interface is gone', async () => {
    await space.call('hostUp', STATE);
    await space.exec('ip', 'tuntap', 'del', 'sp0', 'mode', 'tun');
    await assert.rejects(space.exec('ip', 'route', 'get', '100.64.0.2'), /Invalid argument/);
    await space.exec('ip', 'tuntap', 'add', 'sp0', 'mode', 'tun');
    await space.call('hostUp', STATE);
    assert.match(await space.exec('ip', 'route', 'get', '100.64.0.2'), /dev sp0/);
  });

  it("routes only marked packets to further prefixes, except to the host's own network", async () => {
    await space.ip('address add 10.5.0.9/16 dev lan0\n link set lan0 up\n address add 10.6.6.9/24 dev lan0');
    const state = { ...STATE, routes: ['10.5.5.0/24', '10.6.0.0/16', '10.7.0.0/16', 'fd11::/32'] };
    const conflicts = [
      '10.5.5.0/24 is not routed into the tunnel: the host has 10.5.0.0/16 on lan0',
      '10.6.6.0/24 of 10.6.0.0/16 does not go into the tunnel: the host has it on lan0',
    ];
    assert.deepEqual((await space.call('hostUp', state)).conflicts, conflicts);
    assert.deepEqual(await space.call('hostVerify', state), conflicts);
    assert.deepEqual(await space.call('hostUp', state), { changed: false, differences: [], conflicts, sysctls: [] });
    await space.ip('route add default via 10.5.0.1 dev lan0\n -6 route add default dev lan0');
    const device = async (address: string, ...mark: string[]) =>
      / dev (\S+)/.exec(await space.exec('ip', 'route', 'get', address, ...mark))?.[1];
    const all = ['10.5.5.5', '10.6.6.6', '10.6.7.7', 'fd11::5'];
    assert.deepEqual(await Promise.all(all.map((address) => device(address, 'mark', '0x0c000000'))), [
      'lan0',
      'lan0',
      'sp0',
      'sp0',
    ]);
    for (const address of all) assert.equal(await device(address), 'lan0');
    await space.ip('route del default\n -6 route del default');
    assert.equal(await device('10.6.7.7'), 'sp0', 'answers are marked only when they have a way');
    await space.ip('address del 10.5.0.9/16 dev lan0');
    assert.deepEqual((await space.call('hostUp', state)).differences, [
      'IPv4: no blackhole for 10.5.5.0/24',
      'IPv4: no route for 10.5.5.0/24',
    ]);
    await space.call('hostUp', STATE);
    assert.doesNotMatch(await space.exec('ip', 'route', 'show', 'table', 'all'), /10\.[567]\.\S+ (dev sp0|proto 83)/);
    assert.doesNotMatch(await space.exec('ip', 'rule'), /lookup 14\d{8}/);
  });

  it('refuses to come up behind a foreign rule of priority 0', async () => {
    await space.exec('ip', 'rule', 'del', 'pref', '0', 'iif', 'sp0');
    await space.exec('ip', 'rule', 'add', 'pref', '0', 'from', '192.0.2.1', 'lookup', 'main');
    await assert.rejects(space.call('hostUp', STATE), { code: 'rejected', hint: /higher priority number/ });
    await space.exec('ip', 'rule', 'del', 'pref', '0', 'from', '192.0.2.1');
  });

  /** Rules, routes, addresses and sysctls. The local rule is replaced, which leaves no visible difference. */
  async function snapshot(): Promise<string> {
    const script = `for f in -4 -6; do ip $f rule; ip $f route show table all; done
      ip -o address show dev sp0; cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/sp0/rp_filter /proc/sys/net/ipv4/conf/all/src_valid_mark /proc/sys/net/ipv4/conf/all/send_redirects
      grep . /proc/sys/net/ipv6/conf/*/forwarding /proc/sys/net/ipv6/conf/*/accept_ra
      grep -s . /proc/sys/net/ipv6/conf/*/force_forwarding`;
    return space.exec('sh', '-c', script);
  }
});

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { Namespace, namespacesMissing, until } from '../testing/namespaces.ts';
import { OVERLAY } from '../testing/topology.ts';
import type { ClientHostState } from '../types.ts';

const skip = await namespacesMissing();
const OWN = { v4: '100.64.0.7', v6: 'fd7a:1::7' } as const;
/** Behind the tunnel: a gateway's overlay address, and a resource. */
const GATEWAY = { v4: '100.64.0.1', v6: 'fd7a:1::1' } as const;
const RESOURCE = { v4: '10.5.0.9', v6: 'fd11::9' } as const;
/** On the device's network: the device, and the router, which also has an address of the internet. */
const DEVICE = { v4: '10.50.0.5', v6: 'fd50::5' } as const;
const ROUTER = { v4: '10.50.0.1', v6: 'fd50::1' } as const;
const INTERNET = { v4: '198.51.100.1', v6: '2001:db8::1' } as const;
const FAMILIES = ['v4', 'v6'] as const;
const MARK = 0xca6d;
const STATE: ClientHostState = {
  interface: 'sal0',
  addresses: [`${OWN.v4}/32`, `${OWN.v6}/128`],
  overlay: OVERLAY,
  mtu: 1400,
  prefixes: ['10.5.0.0/16', 'fd11::/32'],
  mark: MARK,
  table: 51821,
};
const FULL: ClientHostState = { ...STATE, prefixes: ['0.0.0.0/0', '::/0'] };

describe('client host', { skip }, () => {
  const device = new Namespace('d');
  const tunnel = new Namespace('t');
  const router = new Namespace('n');

  before(async () => {
    await Promise.all([device, tunnel, router].map((space) => space.start()));
    // Without a link-local address, the kernel asks for no neighbour on behalf of a packet from another interface's address:
    // a late answer of a closed tunnel then makes the router unreachable for three seconds.
    await device.ip(`
      link add lan0 type veth peer name lan netns ${router.name}
      link set lan0 addrgenmode none
      address add ${DEVICE.v4}/24 dev lan0
      address add ${DEVICE.v6}/64 dev lan0 nodad
      address add fe80::5/64 dev lan0 nodad
      link set lan0 up
      route add default via ${ROUTER.v4}
      -6 route add default via ${ROUTER.v6}`);
    await router.ip(`
      address add ${ROUTER.v4}/24 dev lan
      address add ${ROUTER.v6}/64 dev lan nodad
      address add ${INTERNET.v4}/32 dev lo
      address add ${INTERNET.v6}/128 dev lo nodad
      link set lan up
      route add ${DEVICE.v4} dev lan src ${INTERNET.v4}
      route add ${DEVICE.v6} dev lan src ${INTERNET.v6}
      route add 100.64.0.0/10 via ${DEVICE.v4}
      route add 10.5.0.0/16 via ${DEVICE.v4}
      route add fd7a:1::/48 via ${DEVICE.v6}
      route add fd11::/32 via ${DEVICE.v6}`);
    await device.exec('sysctl', '-qw', 'net.ipv4.conf.all.rp_filter=1', 'net.ipv4.conf.lan0.rp_filter=1');
    await router.call('serve', 80);
    await tunnel.call('serve', 80);
    await device.call('serve', 80);
  });
  after(() => Promise.all([device, tunnel, router].map((space) => space.stop())));
  afterEach(async () => {
    await device.call('clientDown', STATE, await device.call('hostKept'));
    await device.succeeds('ip', 'link', 'del', 'sal0');
  });

  /** Creates the tunnel interface. Its other end stands for everything behind the tunnel. */
  async function makeTunnel(): Promise<void> {
    await device.ip(`link add sal0 type veth peer name far netns ${tunnel.name}`);
    const end = 'address 02:00:00:00:00:01 arp off addrgenmode none';
    await device.ip(`link set sal0 ${end}`);
    await tunnel.ip(`link set far ${end} up`);
    for (const { v4, v6 } of [GATEWAY, RESOURCE])
      await tunnel.ip(`address add ${v4}/32 dev far\n address add ${v6}/128 dev far nodad`);
    await tunnel.ip('route add default dev far\n -6 route add default dev far');
  }

  async function up(state: ClientHostState): Promise<void> {
    await makeTunnel();
    await device.call('clientUp', state);
    assert.deepEqual(await device.call('clientVerify', state), []);
  }

  async function talks(address: string): Promise<void> {
    await device.call('open', address, address, 80);
    await device.call('say', address, 'hello');
    await until('echo', async () => (await device.call('heard', address)) === 'hello');
  }

  /** Returns the interface by which a packet would leave; `nowhere` without one. */
  async function way(address: string, mark = 0, more: readonly string[] = []): Promise<string> {
    const args = ['ip', 'route', 'get', address, ...(mark ? ['mark', String(mark)] : []), ...more];
    const text = await device.exec(...args).catch(() => '');
    return / dev (\S+)/.exec(text)?.[1] ?? 'nowhere';
  }

  async function snapshot(): Promise<string> {
    const script = `for f in -4 -6; do ip $f rule; ip $f route show table all; done; nft list ruleset
      ip -o address show dev sal0; cat /proc/sys/net/ipv4/conf/all/src_valid_mark`;
    return device.exec('sh', '-c', script);
  }

  async function isDropped(
    reason: 'spoofed' | 'unasked' | 'forwarded',
    attempt: () => Promise<unknown>,
  ): Promise<void> {
    const before = (await device.call('clientDrops', 'sal0'))[reason];
    let outcome = 'pending';
    attempt().then(
      () => (outcome = 'succeeded'),
      (error: Error) => (outcome = error.message),
    );
    await until(`${reason} counts`, async () => (await device.call('clientDrops', 'sal0'))[reason] > before);
    assert.equal(outcome, 'pending');
  }

  for (const { family, own, neighbour } of [
    { family: 'v4', own: '100.64.0.50/24', neighbour: '100.64.0.60' },
    { family: 'v6', own: 'fd7a:1::50/64', neighbour: 'fd7a:1::60' },
  ] as const) {
    it(`keeps a network with overlay addresses outside the tunnel, except the gateways' addresses: ${family}`, async () => {
      const [mine, theirs] = [own, `${neighbour}/${own.split('/')[1]}`];
      const nodad = family === 'v6' ? ' nodad' : '';
      await device.ip(`address add ${mine} dev lan0${nodad}`);
      await router.ip(`address add ${theirs} dev lan${nodad}`);
      const members = [`${GATEWAY.v4}/32`, `${GATEWAY.v6}/128`];
      await up({ ...STATE, members });
      await talks(neighbour);
      assert.equal(await way(neighbour), 'lan0');
      await talks(GATEWAY[family]);
      assert.equal(await way(GATEWAY[family]), 'sal0', 'a gateway with a number of that network');
      await talks(RESOURCE[family]);
      await device.ip(`address del ${mine} dev lan0`);
      await router.ip(`address del ${theirs} dev lan`);
    });
  }

  it('reports a missing interface', async () => {
    await device.call('clientPreflight');
    await assert.rejects(device.call('clientUp', STATE), { code: 'missing-interface' });
  });

  it('comes up, changes nothing again, and goes down without a trace, even from another process', async () => {
    await makeTunnel();
    for (const state of [STATE, FULL]) {
      const before = await snapshot();
      const first = await device.call('clientUp', state);
      assert.equal(first.changed, true);
      assert.deepEqual(await device.call('clientVerify', state), []);
      const { changed, differences, sysctls } = await device.call('clientUp', state);
      assert.deepEqual([changed, differences, sysctls], [false, [], []]);
      await device.killWorker();
      await device.restartWorker();
      await device.call('clientDown', state, first.sysctls);
      await device.ip('link set sal0 down mtu 1500');
      assert.equal(await snapshot(), before);
      await device.call('clientDown', state, []);
    }
    await device.call('serve', 80);
  });

  for (const family of FAMILIES) {
    it(`routes only the wanted prefixes into the tunnel, and never WireGuard's own packets: ${family}`, async () => {
      await up(STATE);
      await talks(RESOURCE[family]);
      assert.equal(await way(RESOURCE[family]), 'sal0');
      assert.equal(await way(GATEWAY[family]), 'sal0');
      assert.equal(await way(RESOURCE[family], MARK), 'lan0');
      assert.equal(await way(INTERNET[family]), 'lan0');
      await talks(INTERNET[family]);
    });

    it(`routes everything except WireGuard's own packets, and the local network by its setting: ${family}`, async () => {
      await up(FULL);
      assert.equal(await way(INTERNET[family]), 'sal0');
      assert.equal(await way(INTERNET[family], MARK), 'lan0');
      await talks(RESOURCE[family]);
      for (const [localNetwork, resolver, others] of [
        ['CLOSED', 'sal0', 'sal0'],
        ['OPEN', 'lan0', 'lan0'],
        ['RESOLVERS', 'lan0', 'sal0'],
      ] as const) {
        const state = { ...FULL, localNetwork };
        await device.call('clientUp', state);
        assert.deepEqual(await device.call('clientVerify', state), []);
        const ways = [await way(ROUTER[family], 0, ['ipproto', 'udp', 'dport', '53']), await way(ROUTER[family])];
        assert.deepEqual(ways, [resolver, others], localNetwork);
      }
      assert.equal(await way(ROUTER[family], MARK), 'lan0');
    });

    it(`reaches only the direct targets outside a full tunnel: ${family}`, async () => {
      const direct = [{ address: INTERNET[family], protocol: 'tcp', port: 80 }] as const;
      // A strict reverse path filter does its lookup as root, and answers still pass it.
      await up({ ...FULL, direct, uid: 0 });
      await talks(INTERNET[family]);
      assert.equal(await way(INTERNET[family]), 'sal0', 'other ports of it');
      await device.call('clientUp', FULL);
      assert.deepEqual(await device.call('clientVerify', FULL), []);
      assert.doesNotMatch(await device.exec('ip', family === 'v4' ? '-4' : '-6', 'rule'), /dport 80/);
    });

    it(`receives answers to its marked packets through a strict reverse path filter: ${family}`, async (t) => {
      if (!(await device.succeeds('perl', '-MSocket=:all', '-e', '1'))) return t.skip('needs perl');
      await up(FULL);
      await device.exec('perl', '-MSocket=:all', '-e', MARKED, INTERNET[family], '80', String(MARK));
    });

    it(`blocks packets without the interface, and releases them when no prefix is wanted: ${family}`, async () => {
      for (const [state, target] of [
        [STATE, RESOURCE],
        [FULL, INTERNET],
      ] as const) {
        await up(state);
        await device.ip('link del sal0');
        assert.equal(await way(target[family]), 'nowhere');
        assert.equal(await way(target[family], MARK), 'lan0');
        await makeTunnel();
        await device.call('clientUp', state);
        assert.equal(await way(target[family]), 'sal0');
        await device.call('clientUp', { ...state, prefixes: [] });
        assert.equal(await way(target[family]), 'lan0');
        assert.doesNotMatch(await device.exec('ip', 'rule'), /proto 83/);
        await device.ip('link del sal0');
      }
    });

    it(`admits no flow from the tunnel, and forwards none of a neighbour: ${family}`, async () => {
      await up(STATE);
      await device.exec('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
      for (const address of [OWN, DEVICE]) {
        await isDropped('unasked', () => tunnel.call('open', 'x', address[family], 80, GATEWAY[family]));
      }
      await isDropped('spoofed', () => router.call('open', 'x', OWN[family], 80));
      await isDropped('forwarded', () => router.call('open', 'x', RESOURCE[family], 80));
      await isDropped('forwarded', () => tunnel.call('open', 'x', ROUTER[family], 80, RESOURCE[family]));
      await router.ip(`address add ${family === 'v4' ? '100.64.0.99/32' : 'fd7a:1::99/128 nodad'} dev lo`);
      // The reverse path filter of IPv4 runs after our table.
      const spoofed = family === 'v4' ? '100.64.0.99' : 'fd7a:1::99';
      await isDropped('spoofed', () => router.call('open', 'x', DEVICE[family], 80, spoofed));
      await router.call('open', 'plain', DEVICE[family], 80);
      await talks(RESOURCE[family]);
    });
  }

  for (const family of FAMILIES) {
    const to = { v4: '10.5.7.9', v6: 'fd11:0:7::9' }[family];
    const narrow = { v4: '10.5.7.0/24', v6: 'fd11:0:7::/64' }[family];
    const wide = { v4: ['0.0.0.0/1', '128.0.0.0/1'], v6: ['::/1', '8000::/1'] }[family];
    const own = { v4: '10.5.7.5/24', v6: 'fd11:0:7::5/64' }[family];

    it(`wins over routes that the host learns, from the first packet, and reports them: ${family}`, async () => {
      await up(STATE);
      await device.call('clientWatch', STATE);
      const reports = () => device.call('hostReports');
      await until('the monitors to run', async () => {
        await device.ip('rule add pref 99 lookup main\n rule del pref 99 lookup main');
        return (await reports()) > 0;
      });
      const before = await reports();
      for (const route of [`${to}`, narrow]) await device.ip(`route add ${route} via ${ROUTER[family]} proto dhcp`);
      assert.equal(await way(to), 'sal0');
      await until('a report', async () => (await reports()) > before);
      await device.call('hostUnwatch');
      assert.deepEqual(await device.call('clientVerify', STATE), [], 'there is nothing to mend');
      const { contests } = await device.call('clientLook', STATE);
      assert.deepEqual(
        contests.map(({ kind, winner }) => [kind, winner]),
        [
          ['learned', 'tunnel'],
          ['learned', 'tunnel'],
        ],
      );
      await device.ip(`address add ${own} dev lan0${family === 'v6' ? ' nodad' : ''}`);
      assert.equal(await way(to), 'sal0', 'a network numbered like a resource');
      for (const route of [`${to}`, narrow]) await device.ip(`route del ${route} via ${ROUTER[family]} proto dhcp`);
      await device.ip(`address del ${own} dev lan0`);
    });

    it(`keeps traffic in a full tunnel despite pushed routes, in any setting: ${family}`, async () => {
      for (const localNetwork of ['CLOSED', 'RESOLVERS', 'OPEN'] as const) {
        await up({ ...FULL, localNetwork });
        for (const route of wide) await device.ip(`route add ${route} via ${ROUTER[family]} proto dhcp`);
        await device.call('clientUp', { ...FULL, localNetwork });
        for (const address of [INTERNET[family], to]) assert.equal(await way(address), 'sal0');
        await device.ip('link del sal0');
        for (const address of [INTERNET[family], to]) assert.equal(await way(address), 'nowhere');
        for (const route of wide) await device.ip(`route del ${route} via ${ROUTER[family]} proto dhcp`);
      }
    });

    it(`reaches the controller outside the tunnel for one user only, for any resolved address: ${family}`, async () => {
      const direct = [{ address: RESOURCE[family], protocol: 'tcp', port: 443 }] as const;
      await up({ ...STATE, direct, uid: 0 });
      const as = (uid: string) => way(RESOURCE[family], 0, ['ipproto', 'tcp', 'dport', '443', 'uid', uid]);
      assert.deepEqual([await as('0'), await as('1000')], ['lan0', 'sal0']);
    });

    it(`finds the router of later routes outside the tunnel: ${family}`, async () => {
      await up({ ...FULL, localNetwork: 'CLOSED' });
      const others = { v4: '203.0.113.0/24', v6: '2001:db8:9::/48' }[family];
      const show = () => device.exec('ip', family === 'v4' ? '-4' : '-6', 'route', 'show', others);
      for (const place of ['', ' dev lan0']) {
        await device.ip(`route add ${others} via ${ROUTER[family]}${place} proto dhcp`);
        assert.match(await show(), / dev lan0 /);
        await device.ip(`route del ${others} proto dhcp`);
      }
      const again = `${family === 'v4' ? '' : '-6 '}route replace default via ${ROUTER[family]} dev lan0`;
      await device.ip(again);
    });

    it(`allows lease renewal with any tunnel: ${family}`, async () => {
      await up(FULL);
      const [from, port] = family === 'v4' ? ['68', '67'] : ['546', '547'];
      const renewal = ['ipproto', 'udp', 'sport', from ?? '', 'dport', port ?? ''];
      assert.equal(await way(ROUTER[family], 0, renewal), 'lan0');
      assert.equal(await way(ROUTER[family], 0, ['ipproto', 'udp', 'dport', port ?? '']), 'sal0');
    });
  }

  it('wins over on-link prefixes and more specific routes of router advertisements (RFC 4191)', async (t) => {
    if (!(await device.succeeds('perl', '-MSocket=:all', '-e', '1'))) return t.skip('needs perl');
    const accept = ['accept_ra=2', 'accept_ra_rt_info_max_plen=128', 'autoconf=1', 'addr_gen_mode=0'];
    await device.exec('sysctl', '-qw', ...accept.map((setting) => `net.ipv6.conf.lan0.${setting}`));
    await router.ip('address add fe80::1/64 dev lan nodad');
    const learned = () => device.exec('ip', '-6', 'route', 'show', 'proto', 'ra');
    const advertise = async () => {
      await router.exec('perl', '-MSocket=:all', '-e', ADVERTISEMENT, 'lan', 'fd11:0:7::', '64', 'fd11:0:8::', '64');
      return device.exec('ip', '-6', 'route', 'show', 'table', 'main');
    };
    for (const state of [STATE, FULL]) {
      await up(state);
      await until('the on-link prefix', async () => (await advertise()).includes('fd11:0:7::/64'));
      // Kernels without CONFIG_IPV6_ROUTE_INFO accept no more specific routes.
      t.diagnostic(`more specific routes taken: ${(await learned()).includes('fd11:0:8::/64')}`);
      assert.deepEqual([await way('fd11:0:7::9'), await way('fd11:0:8::9')], ['sal0', 'sal0']);
      assert.deepEqual(await device.call('clientVerify', state), []);
      const { contests } = await device.call('clientLook', state);
      assert.ok(contests.some(({ route, winner }) => route === 'fd11:0:7::/64' && winner === 'tunnel'));
      await device.ip('link del sal0');
    }
    await device.ip('link set lan0 down\n link set lan0 up');
    await device.exec('sysctl', '-qw', 'net.ipv6.conf.lan0.accept_ra=0');
  });

  it('repairs foreign changes, and touches no foreign object', async () => {
    await device.ip('rule add pref 5182 from 192.0.2.1 lookup 77\n rule add pref 99 fwmark 0x1 lookup main');
    await device.exec('nft', 'add table inet other; add chain inet other input { type filter hook input priority 0; }');
    const others = () =>
      device.exec('sh', '-c', 'ip rule | grep -E "lookup 77|fwmark 0x1 "; nft list table inet other');
    const before = await others();
    await up(FULL);
    await device.exec('nft', 'flush', 'chain', 'inet', 'sallyport_sal0', 'input');
    await device.ip('rule del pref 5181\n route del default dev sal0 table 51821\n address del fd7a:1::7/128 dev sal0');
    const differences = [
      'the table that protects the device is not as loaded',
      'IPv6: address fd7a:1::7/128 is missing',
      'IPv4: no unicast route for 0.0.0.0/0',
      'IPv4: no rule pref 5181 not fwmark 0xca6d lookup 51821 protocol 83',
    ];
    assert.deepEqual(await device.call('clientVerify', FULL), differences);
    assert.deepEqual((await device.call('clientUp', FULL)).differences, differences);
    assert.deepEqual(await device.call('clientVerify', FULL), []);
    await device.call('clientDown', FULL, []);
    assert.equal(await others(), before);
    await device.ip('rule del pref 5182\n rule del pref 99');
    await device.exec('nft', 'delete', 'table', 'inet', 'other');
  });

  it('refuses a routing table that another program uses', async () => {
    await makeTunnel();
    await device.ip(`route add 192.0.2.0/24 via ${ROUTER.v4} table 51821`);
    await assert.rejects(device.call('clientUp', STATE), { code: 'rejected', hint: /another table/ });
    await device.ip('route flush table 51821');
  });
});

/** Sends a datagram from a socket with a mark (SO_MARK), and waits for the echo. */
const MARKED = `my ($to, $port, $mark) = @ARGV; alarm 5;
  socket(my $s, $to =~ /:/ ? AF_INET6 : AF_INET, SOCK_DGRAM, 0) or die "socket: $!";
  setsockopt($s, SOL_SOCKET, 36, pack("L", $mark)) or die "SO_MARK: $!";
  my $end = $to =~ /:/ ? pack_sockaddr_in6($port, inet_pton(AF_INET6, $to)) : pack_sockaddr_in($port, inet_pton(AF_INET, $to));
  defined send($s, "x", 0, $end) or die "send: $!"; defined recv($s, my $answer, 9, 0) or die "recv: $!";`;

/**
 * Sends a router advertisement (RFC 4861, 4191): an on-link prefix for address configuration, and a more specific
 * route.
 */
const ADVERTISEMENT = `my ($dev, $prefix, $plen, $route, $rlen) = @ARGV;
  socket(my $s, AF_INET6, SOCK_RAW, 58) or die "socket: $!";
  setsockopt($s, SOL_SOCKET, 25, $dev) or die "device: $!";
  setsockopt($s, 41, 18, pack("i", 255)) or die "hops: $!";
  my $ra = pack("CCnCCnNN", 134, 0, 0, 64, 0, 1800, 0, 0);
  $ra .= pack("CCCCNNN", 3, 4, $plen, 0xc0, 600, 600, 0) . inet_pton(AF_INET6, $prefix);
  $ra .= pack("CCCCN", 24, 3, $rlen, 0x08, 600) . inet_pton(AF_INET6, $route);
  send($s, $ra, 0, pack_sockaddr_in6(0, inet_pton(AF_INET6, "ff02::1"))) or die "send: $!";`;

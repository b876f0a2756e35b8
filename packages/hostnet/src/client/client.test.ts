import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { ClientHostState } from '../types.ts';
import type { FoundClient, HostRoute } from './found.ts';
import { concernsClient } from './monitor.ts';
import { planClientDown, planClientUp } from './plan.ts';
import { PrefixSet } from './prefix-set.ts';
import { contestText, planClientRoutes } from './routes.ts';
import { wantedRules } from './rules.ts';
import { clientRuleset } from './ruleset.ts';

const STATE: ClientHostState = {
  interface: 'sal0',
  addresses: ['100.64.0.7/32', 'fd7a:1::7/128'],
  overlay: { v4: '100.64.0.0/10', v6: 'fd7a:1::/48' },
  mtu: 1280,
  prefixes: ['10.5.0.0/16', 'fd11::/32'],
  mark: 0xca6d,
  table: 51821,
};
const FULL = { ...STATE, prefixes: ['0.0.0.0/0', '::/0', '10.5.0.0/16'] };
const PRISTINE: FoundClient = {
  ipv6: true,
  link: { mtu: 1420, up: false },
  addresses: [],
  routes: [],
  strangers: 0,
  foreign: [],
  own: [],
  rules: { v4: [], v6: [] },
  sysctls: new Map([['net/ipv4/conf/all/src_valid_mark', '0']]),
};
const LEASE = 'pref 5180 ipproto udp sport 68 dport 67 lookup main protocol 83';
const LEASE6 = 'pref 5180 ipproto udp sport 546 dport 547 lookup main protocol 83';
const RULE = 'pref 5181 not fwmark 0xca6d lookup 51821 protocol 83';

describe('client plan', () => {
  it('brings up a pristine host with a split tunnel, as golden text', () => {
    const plan = planClientUp(STATE, PRISTINE);
    assert.equal(
      plan.ip4,
      `link set dev sal0 mtu 1280
address replace 100.64.0.7/32 dev sal0 noprefixroute
link set dev sal0 up
route add unreachable 100.64.0.0/10 metric 4000000 table 51821 proto 83
route add unreachable 10.5.0.0/16 metric 4000000 table 51821 proto 83
route add 100.64.0.0/10 dev sal0 scope global table 51821 proto 83
route add 10.5.0.0/16 dev sal0 scope global table 51821 proto 83
rule add ${LEASE}
rule add ${RULE}
`,
    );
    assert.equal(
      plan.ip6,
      `address replace fd7a:1::7/128 dev sal0 noprefixroute nodad
route add unreachable fd7a:1::/48 metric 4000000 table 51821 proto 83
route add unreachable fd11::/32 metric 4000000 table 51821 proto 83
route add fd7a:1::/48 dev sal0 table 51821 proto 83
route add fd11::/32 dev sal0 table 51821 proto 83
rule add ${LEASE6}
rule add ${RULE}
`,
    );
    assert.deepEqual(plan.sysctls, [{ path: 'net/ipv4/conf/all/src_valid_mark', value: '1', before: '0' }]);
  });

  it('reads the table of a full tunnel before the main table, and stays closed without the interface', () => {
    assert.deepEqual(wantedRules(FULL, 4), [LEASE, RULE]);
    const { ip4, ip6 } = planClientUp(FULL, { ...PRISTINE, link: null });
    assert.match(ip4, /^route add unreachable 0\.0\.0\.0\/0 metric 4000000 /m);
    assert.match(ip6, /^route add unreachable ::\/0 metric 4000000 /m);
    assert.match(ip6, /^route add throw fe80::\/10 /m);
  });

  it('removes the rules of the earlier version, which read the main table first', () => {
    const old = [
      'pref 5181 not fwmark 0xca6d lookup 51821 suppress_prefixlength 0 protocol 83',
      'pref 5182 lookup main suppress_prefixlength 0 protocol 83',
      'pref 5183 not fwmark 0xca6d lookup 51821 protocol 83',
      'pref 5184 not fwmark 0xca6d unreachable protocol 83',
    ];
    const { ip4 } = planClientUp(FULL, { ...PRISTINE, rules: { v4: old, v6: [] } });
    const lines = ip4.split('\n').filter((line) => line.startsWith('rule '));
    assert.deepEqual(lines, [`rule add ${LEASE}`, `rule add ${RULE}`, ...old.map((rule) => `rule del ${rule}`)]);
  });

  it('removes everything when nothing is wanted, and when the tunnel goes down', () => {
    const found: FoundClient = {
      ...PRISTINE,
      link: { mtu: 1280, up: true },
      addresses: STATE.addresses,
      routes: [
        { kind: 'throw', destination: '10.5.9.0/24', metric: 0 },
        { kind: 'unicast', destination: '10.5.0.0/16', metric: 0 },
        { kind: 'unreachable', destination: '10.5.0.0/16', metric: 4_000_000 },
        { kind: 'unicast', destination: 'fd11::/32', metric: 1024 },
      ],
      rules: { v4: [RULE], v6: [RULE] },
    };
    const routes4 = `route del unreachable 10.5.0.0/16 metric 4000000 table 51821 proto 83
route del 10.5.0.0/16 dev sal0 scope global table 51821 proto 83
route del throw 10.5.9.0/24 table 51821 proto 83
`;
    assert.equal(planClientUp({ ...STATE, prefixes: [] }, found).ip4, `${routes4}rule del ${RULE}\n`);
    assert.equal(planClientDown(STATE, found).ip4, `rule del ${RULE}\n${routes4}address del 100.64.0.7/32 dev sal0\n`);
    assert.equal(
      planClientDown(STATE, found).ip6,
      `rule del ${RULE}
route del fd11::/32 dev sal0 table 51821 proto 83
address del fd7a:1::7/128 dev sal0
`,
    );
  });

  it('makes IPv6 unreachable when the tunnel is too narrow for it', () => {
    const plan = planClientUp({ ...STATE, mtu: 1220 }, PRISTINE);
    assert.doesNotMatch(plan.ip6, /dev sal0/);
    assert.match(plan.ip6, /route add unreachable fd11::\/32 /);
  });

  it('refuses a table that is in use, and an invalid mark, table or prefix', () => {
    assert.throws(() => planClientUp(STATE, { ...PRISTINE, strangers: 1 }), { code: 'rejected', hint: /another/ });
    for (const broken of [{ mark: 0 }, { table: 254 }, { table: 1.5 }, { prefixes: ['10.0.0.0/8 dev eth0'] }]) {
      assert.throws(() => planClientUp({ ...STATE, ...broken }, PRISTINE), { code: 'invalid-state' });
    }
  });

  it('looks up destinations past the tunnel first, in a split tunnel too', () => {
    const direct = [
      { address: '10.5.0.1', protocol: 'tcp', port: 443 },
      { address: 'fd11:0::1', protocol: 'udp', port: 51900 },
    ] as const;
    const rule = 'pref 5180 to 10.5.0.1 ipproto tcp dport 443 lookup main protocol 83';
    assert.deepEqual(wantedRules({ ...STATE, direct }, 4), [rule, LEASE, RULE]);
    const ours = rule.replace('443', '443 uidrange 0-0');
    assert.deepEqual(wantedRules({ ...STATE, direct, uid: 0 }, 4), [ours, LEASE, RULE]);
    const rule6 = 'pref 5180 to fd11::1 ipproto udp dport 51900 lookup main protocol 83';
    assert.equal(wantedRules({ ...FULL, direct }, 6)[0], rule6);
    assert.deepEqual(wantedRules({ ...STATE, direct, prefixes: [] }, 4), []);
    const port = { address: '10.5.0.1', protocol: 'tcp', port: 0 } as const;
    assert.throws(() => planClientUp({ ...STATE, direct: [port] }, PRISTINE), /not a target/);
  });

  it('renders the ruleset as golden text', () => {
    assert.equal(clientRuleset(STATE), readFileSync(new URL('golden.nft', import.meta.url), 'utf8'));
  });
});

describe('client routes', () => {
  const route = (destination: string, more: Partial<HostRoute> = {}): HostRoute => {
    return { destination, device: 'eth0', connected: false, internal: false, ...more };
  };
  const connected = (destination: string) => route(destination, { connected: true });
  const plan = (state: Partial<ClientHostState>, foreign: readonly HostRoute[], own: FoundClient['own'] = []) => {
    const { contests, ...rest } = planClientRoutes({ ...STATE, ...state }, { foreign, own });
    return { ...rest, told: contests.map(contestText), contests };
  };
  const overlay = [STATE.overlay.v4, STATE.overlay.v6];

  it('lead only the addresses of gateways from the overlay into the tunnel', () => {
    const members = ['100.64.0.1/32', 'fd7a:1::1/128'];
    const foreign = [
      connected('100.64.7.0/24'),
      route('100.100.2.136/32'),
      route('100.64.0.0/10'),
      connected('100.64.0.0/24'),
      route('100.64.0.1/32'),
    ];
    const { inside, thrown, told } = plan({ members }, foreign);
    assert.deepEqual(inside, [...members, ...STATE.prefixes]);
    assert.deepEqual(thrown, []);
    assert.deepEqual(told, [
      'the local network 100.64.0.0/24 on eth0 is closed: 100.64.0.1/32 goes into the tunnel',
      'the route to 100.64.0.1/32 on eth0 is not used: 100.64.0.1/32 goes into the tunnel',
    ]);
  });

  it('let granted prefixes win over every route of the host, whatever its length', () => {
    const prefixes = ['10.0.0.0/8', '10.2.0.0/16', '10.3.3.3/32', '172.16.0.0/12', 'fd11::/32'];
    const foreign = [
      route('0.0.0.0/0'),
      connected('10.2.0.0/16'),
      route('10.3.3.3/32'),
      route('172.0.0.0/8'),
      route('fd11:0:1::/48'),
      route('192.168.0.0/16'),
    ];
    const { inside, thrown, told } = plan({ prefixes }, foreign);
    assert.deepEqual(inside, [...overlay, ...prefixes]);
    assert.deepEqual(thrown, []);
    assert.deepEqual(told, [
      'the local network 10.2.0.0/16 on eth0 is closed: 10.2.0.0/16 goes into the tunnel',
      'the route to 10.3.3.3/32 on eth0 is not used: 10.3.3.3/32 goes into the tunnel',
      'the route to 172.0.0.0/8 on eth0 is not used: 172.16.0.0/12 goes into the tunnel',
      'the route to fd11:0:1::/48 on eth0 is not used: fd11::/32 goes into the tunnel',
    ]);
  });

  it('leave a connected network in the overlay outside, except for granted prefixes', () => {
    const foreign = [connected('100.72.0.0/16'), route('100.80.0.0/16'), connected('100.64.0.0/24')];
    const { thrown, told } = plan({ prefixes: ['100.64.0.0/24', '100.72.0.9/32'] }, foreign);
    assert.deepEqual(thrown, ['100.72.0.0/16']);
    assert.equal(told[0], '100.72.0.0/16 of 100.64.0.0/10 does not go into the tunnel: the host has it on eth0');
    assert.deepEqual(plan({ prefixes: ['10.0.0.0/8'] }, [connected('100.64.0.0/10')]).inside, [
      ...overlay.slice(1),
      '10.0.0.0/8',
    ]);
  });

  it('of a full tunnel leave a network in the overlay range to the host as the setting says', () => {
    const members = ['100.64.0.1/32', 'fd7a:1::1/128'];
    const foreign = [connected('100.64.7.0/24'), connected('fd7a:1:0:7::/64')];
    const networks = foreign.map(({ destination }) => destination);
    for (const [localNetwork, thrown, resolvers] of [
      ['CLOSED', [], []],
      ['RESOLVERS', [], networks],
      ['OPEN', networks, []],
    ] as const) {
      const planned = plan({ ...FULL, members, localNetwork }, foreign);
      assert.deepEqual(planned.thrown, ['fe80::/10', ...thrown]);
      assert.deepEqual(planned.resolvers, resolvers);
    }
  });

  it('of a full tunnel leave a local network to the host as the setting says', () => {
    const foreign = [connected('192.168.7.0/24'), connected('fd50::/64'), route('fe80::/64')];
    for (const [localNetwork, thrown, resolvers] of [
      ['CLOSED', [], []],
      ['RESOLVERS', [], ['192.168.7.0/24', 'fd50::/64']],
      ['OPEN', ['192.168.7.0/24', 'fd50::/64'], []],
    ] as const) {
      const planned = plan({ ...FULL, localNetwork }, foreign);
      assert.deepEqual(planned.thrown, ['fe80::/10', ...thrown]);
      assert.deepEqual(planned.resolvers, resolvers);
      assert.equal(planned.told.length, 2);
    }
    assert.deepEqual(plan(FULL, foreign).resolvers, ['192.168.7.0/24', 'fd50::/64']);
    assert.deepEqual(wantedRules(FULL, 4, ['192.168.7.0/24', 'fd50::/64']), [
      LEASE,
      'pref 5180 to 192.168.7.0/24 ipproto udp dport 53 lookup main protocol 83',
      'pref 5180 to 192.168.7.0/24 ipproto tcp dport 53 lookup main protocol 83',
      RULE,
    ]);
  });

  it('of a full tunnel do not leave out a network that only claims its addresses', () => {
    const hostile = [
      route('0.0.0.0/1'),
      route('128.0.0.0/1'),
      route('192.168.9.0/24'),
      connected('9.9.9.0/24'),
      connected('10.5.0.0/16'),
      route('2001:db8::/32'),
      connected('2001:db8:1::/64'),
    ];
    const planned = plan({ ...FULL, localNetwork: 'OPEN' }, hostile);
    assert.deepEqual([planned.thrown, planned.resolvers], [['fe80::/10'], []]);
    assert.ok(planned.contests.every(({ winner }) => winner === 'tunnel'));
    // A network around a resource could answer for the resource at port 53.
    const around = plan({ ...FULL, prefixes: [...FULL.prefixes, '10.9.0.53/32'] }, [connected('10.9.0.0/24')]);
    assert.deepEqual([around.thrown, around.resolvers], [['fe80::/10'], []]);
  });

  it('of a full tunnel with holes are no grants and treat local networks in the same way', () => {
    const internet = ['0.0.0.0/1', '128.0.0.0/2', '192.0.0.0/3'];
    const state = { prefixes: internet, internet, localNetwork: 'OPEN' } as const;
    assert.deepEqual(plan(state, [connected('192.168.7.0/24')]).thrown, ['192.168.7.0/24']);
  });

  it('leave networks within the host to it', () => {
    const docker = route('172.17.0.0/16', { device: 'docker0', connected: true, internal: true });
    assert.deepEqual(plan({ ...FULL, localNetwork: 'CLOSED' }, [docker]).thrown, ['fe80::/10', '172.17.0.0/16']);
    assert.deepEqual(plan({ prefixes: ['172.17.0.0/16'] }, [docker]).thrown, []);
  });

  it('report a resource address that belongs to the host itself', () => {
    const own = [{ address: '10.5.0.9', device: 'wlan0' }];
    assert.deepEqual(plan({}, [], own).told, [
      '10.5.0.9/32 of 10.5.0.0/16 is an address of this host on wlan0: packets to it stay here',
    ]);
  });

  it('report a bounded number of conflicts', () => {
    const many = Array.from({ length: 5000 }, (_, n) => route(`10.5.${n >> 8}.${n & 255}/32`));
    assert.equal(plan({}, many).contests.length, 200);
  });

  it('nest as their ranges do', () => {
    const set = new PrefixSet(['10.0.0.0/8', '10.0.0.0/16', '10.9.0.0/24', 'fd11::/32']);
    assert.equal(set.around('10.0.1.0/24'), '10.0.0.0/16');
    assert.equal(set.around('10.1.1.0/24'), '10.0.0.0/8');
    assert.equal(set.around('11.0.0.0/8'), undefined);
    assert.equal(set.within('10.0.0.0/8'), '10.0.0.0/16');
    assert.equal(set.within('10.9.0.0/24'), undefined);
    assert.equal(set.within('10.8.0.0/15'), '10.9.0.0/24');
    assert.equal(set.within('fc00::/7'), 'fd11::/32');
    assert.equal(set.within('0.0.0.0/0'), '10.0.0.0/8');
  });

  it('are planned again when a conflicting route changes', () => {
    const lines: readonly [string, boolean][] = [
      ['[ROUTE]10.5.9.0/24 dev eth0 proto kernel scope link src 10.5.9.2 ', true],
      ['[ROUTE]Deleted 10.0.0.0/8 via 192.168.1.1 dev eth0 ', true],
      ['[ROUTE]Deleted unreachable 10.99.0.0/16 table 51821 proto 83 metric 4000000 ', true],
      ['[RULE]5:\tfrom all lookup main', true],
      ['[LINK]7: sal0: <POINTOPOINT,NOARP> mtu 1300', true],
      ['[ROUTE]local 10.5.9.2 dev eth0 table local proto kernel scope host src 10.5.9.2 ', false],
      ['[ROUTE]10.5.9.0/24 dev eth0 table 52 ', false],
      ['[ROUTE]192.168.7.0/24 dev eth0 proto kernel scope link ', false],
      ['[ROUTE]default via 192.168.1.1 dev eth0 proto dhcp ', false],
      ['[ADDR]3: eth0    inet 10.5.9.2/24 scope global eth0', false],
    ];
    for (const [line, concerned] of lines) assert.equal(concernsClient(STATE, line), concerned, line);
  });
});

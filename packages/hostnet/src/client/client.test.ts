import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { ForeignRoute } from '../host/found.ts';
import type { ClientHostState } from '../types.ts';
import type { FoundClient } from './found.ts';
import { concernsClient } from './monitor.ts';
import { planClientDown, planClientUp, wantedRules } from './plan.ts';
import { planClientRoutes } from './routes.ts';
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
  rules: { v4: [], v6: [] },
  sysctls: new Map([['net/ipv4/conf/all/src_valid_mark', '0']]),
};
const RULE = 'pref 5181 not fwmark 0xca6d lookup 51821 suppress_prefixlength 0 protocol 83';

describe('client plan', () => {
  it('brings a pristine host up, split: golden text', () => {
    const plan = planClientUp(STATE, PRISTINE);
    assert.equal(
      plan.ip4,
      `link set dev sal0 mtu 1280
address replace 100.64.0.7/32 dev sal0 noprefixroute
link set dev sal0 up
route add unreachable 100.64.0.0/10 metric 4000000 table 51821 proto 83
route add unreachable 10.5.0.0/16 metric 4000000 table 51821 proto 83
route add 100.64.0.0/10 dev sal0 table 51821 proto 83
route add 10.5.0.0/16 dev sal0 table 51821 proto 83
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
rule add ${RULE}
`,
    );
    assert.deepEqual(plan.sysctls, [{ path: 'net/ipv4/conf/all/src_valid_mark', value: '1', before: '0' }]);
  });

  it('asks the main table for everything but its default route before a full tunnel', () => {
    assert.deepEqual(wantedRules(FULL, 4), [
      RULE,
      'pref 5182 lookup main suppress_prefixlength 0 protocol 83',
      'pref 5183 not fwmark 0xca6d lookup 51821 protocol 83',
      'pref 5184 not fwmark 0xca6d unreachable protocol 83',
    ]);
    assert.doesNotMatch(planClientUp(FULL, PRISTINE).ip4, /route add unreachable 0/);
    assert.equal(wantedRules({ ...STATE, prefixes: ['0.0.0.0/0'] }, 6).length, 1, 'each family for itself');
  });

  it('takes everything away when nothing is wanted, and when it goes', () => {
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
route del 10.5.0.0/16 dev sal0 table 51821 proto 83
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

  it('leads IPv6 nowhere that the tunnel is too narrow for', () => {
    const plan = planClientUp({ ...STATE, mtu: 1220 }, PRISTINE);
    assert.doesNotMatch(plan.ip6, /dev sal0/);
    assert.match(plan.ip6, /route add unreachable fd11::\/32 /);
  });

  it('refuses a table that is in use, and what is no mark, table or prefix', () => {
    assert.throws(() => planClientUp(STATE, { ...PRISTINE, strangers: 1 }), { code: 'rejected', hint: /another/ });
    for (const broken of [{ mark: 0 }, { table: 254 }, { table: 1.5 }, { prefixes: ['10.0.0.0/8 dev eth0'] }]) {
      assert.throws(() => planClientUp({ ...STATE, ...broken }, PRISTINE), { code: 'invalid-state' });
    }
  });

  it('what is always reached past the tunnel is looked up before it, also where that is split', () => {
    const direct = [
      { address: '10.5.0.1', protocol: 'tcp', port: 443 },
      { address: 'fd11:0::1', protocol: 'udp', port: 51900 },
    ] as const;
    const rule = 'pref 5180 to 10.5.0.1 ipproto tcp dport 443 lookup main protocol 83';
    assert.deepEqual(wantedRules({ ...STATE, direct }, 4), [rule, RULE]);
    const rule6 = 'pref 5180 to fd11::1 ipproto udp dport 51900 lookup main protocol 83';
    assert.equal(wantedRules({ ...FULL, direct }, 6)[0], rule6);
    assert.deepEqual(wantedRules({ ...STATE, direct, prefixes: [] }, 4), []);
    const port = { address: '10.5.0.1', protocol: 'tcp', port: 0 } as const;
    assert.throws(() => planClientUp({ ...STATE, direct: [port] }, PRISTINE), /not a target/);
  });

  it('reads the ruleset as golden text', () => {
    assert.equal(clientRuleset(STATE), readFileSync(new URL('golden.nft', import.meta.url), 'utf8'));
  });
});

describe('client routes', () => {
  const connected = (destination: string): ForeignRoute => ({ destination, device: 'eth0', connected: true });
  const routed = (destination: string): ForeignRoute => ({ destination, device: 'eth0', connected: false });

  it('leave the network that the host is connected to, and what is routed more specifically', () => {
    const prefixes = ['10.0.0.0/8', '10.1.0.0/16', '10.2.0.0/16', '10.3.3.3/32', '172.16.0.0/12'];
    const foreign = [
      routed('0.0.0.0/0'),
      connected('10.1.0.0/16'),
      routed('10.2.0.0/16'),
      connected('10.3.3.0/24'),
      routed('10.4.0.0/16'),
      routed('172.0.0.0/8'),
    ];
    const { inside, thrown, conflicts } = planClientRoutes({ ...STATE, prefixes }, foreign);
    const overlay = [STATE.overlay.v4, STATE.overlay.v6];
    assert.deepEqual(inside, [...overlay, '10.0.0.0/8', '10.2.0.0/16', '10.3.3.3/32', '172.16.0.0/12']);
    assert.deepEqual(thrown, ['10.1.0.0/16', '10.3.3.0/24', '10.4.0.0/16']);
    assert.deepEqual(conflicts, [
      '10.1.0.0/16 does not go into the tunnel: it is on eth0',
      '10.3.3.0/24 of 10.0.0.0/8 does not go into the tunnel: the host has it on eth0',
      '10.4.0.0/16 of 10.0.0.0/8 does not go into the tunnel: the host has it on eth0',
      '10.3.3.3/32 goes into the tunnel, not to 10.3.3.0/24 on eth0',
    ]);
  });

  it('of a full tunnel are left to the rules', () => {
    const { thrown, conflicts } = planClientRoutes(FULL, [connected('192.168.1.0/24'), routed('0.0.0.0/0')]);
    assert.deepEqual([thrown, conflicts], [[], []]);
  });

  it('are looked at again when something in their way changes', () => {
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

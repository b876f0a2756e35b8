import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HostState } from '../types.ts';
import type { FoundHost, FoundRule } from './found.ts';
import { planDown, planUp } from './plan.ts';
import { planSysctls } from './sysctls.ts';

const STATE: HostState = {
  interface: 'sp0',
  addresses: ['100.64.0.1/32', 'fd7a:1::1/128'],
  overlay: { v4: '100.64.0.0/10', v6: 'fd7a:1::/48' },
  mtu: 1280,
  routes: [],
};
const LOCAL = lookup(0, 'local');
const PRISTINE: FoundHost = {
  ipv6: true,
  link: { mtu: 1420, up: false, group: 'default' },
  addresses: [],
  routes: [],
  foreign: [],
  rules: { v4: [LOCAL, lookup(32766, 'main')], v6: [LOCAL, lookup(32766, 'main')] },
  sysctls: new Map(),
};

describe('host plan', () => {
  it('brings up a pristine host, as golden text', () => {
    const plan = planUp(STATE, PRISTINE);
    assert.equal(
      plan.ip4,
      `rule add pref 1 lookup local protocol 2
rule del pref 0 lookup local protocol 2
rule add pref 0 iif sp0 fwmark 0/0x8000000 prohibit protocol 83
rule add pref 0 lookup local protocol 2
rule del pref 1 lookup local protocol 2
route add blackhole 100.64.0.0/10 metric 4000000 proto 83
link set dev sp0 mtu 1280
address replace 100.64.0.1/32 dev sp0 noprefixroute
link set dev sp0 up
link set dev sp0 group 83
route add 100.64.0.0/10 dev sp0 proto 83
`,
    );
    assert.equal(
      plan.ip6,
      `rule add pref 1 lookup local protocol 2
rule del pref 0 lookup local protocol 2
rule add pref 0 iif sp0 fwmark 0/0x8000000 prohibit protocol 83
rule add pref 0 lookup local protocol 2
rule del pref 1 lookup local protocol 2
route add blackhole fd7a:1::/48 metric 4000000 proto 83
address replace fd7a:1::1/128 dev sp0 noprefixroute nodad
route add fd7a:1::/48 dev sp0 proto 83
`,
    );
  });

  it('continues after an interrupted run that left some rules', () => {
    const rules = [lookup(1, 'local'), lookup(32766, 'main')];
    assert.match(
      planUp(STATE, { ...PRISTINE, rules: { v4: rules, v6: [] } }).ip4,
      /^rule add pref 0 iif sp0 [^\n]*\nroute/,
    );
    const both = [LOCAL, ...rules];
    assert.match(
      planUp(STATE, { ...PRISTINE, rules: { v4: both, v6: [] } }).ip4,
      /^rule del pref 0 lookup local protocol 2\nrule add pref 0 iif/,
    );
  });

  it('moves its rule to the front when another rule comes before it', () => {
    const rules = [LOCAL, prohibit('sp0'), lookup(32766, 'main')];
    const { ip4 } = planUp(STATE, { ...PRISTINE, rules: { v4: rules, v6: [] } });
    assert.match(ip4, /^rule del pref 0 iif sp0 /);
    const fine = [prohibit('sp1'), prohibit('sp0'), LOCAL];
    assert.doesNotMatch(planUp(STATE, { ...PRISTINE, rules: { v4: fine, v6: fine } }).ip4, /^rule/);
  });

  it('replaces addresses and routes of an earlier state, new ones first', () => {
    const found: FoundHost = {
      ...PRISTINE,
      link: { mtu: 1280, up: true, group: '83' },
      addresses: ['100.64.7.7/32', 'fd7a:1::1/128'],
      routes: [
        { kind: 'unicast', destination: '100.96.0.0/12', metric: 0 },
        { kind: 'unicast', destination: 'fd7a:1::/48', metric: 1024 },
        { kind: 'blackhole', destination: '100.64.0.0/10', metric: 4_000_000 },
        { kind: 'blackhole', destination: 'fd7a:1::/48', metric: 4_000_000 },
      ],
      rules: { v4: [prohibit('sp0'), LOCAL], v6: [prohibit('sp0'), LOCAL] },
    };
    const plan = planUp(STATE, found);
    assert.equal(
      plan.ip4,
      `address replace 100.64.0.1/32 dev sp0 noprefixroute
address del 100.64.7.7/32 dev sp0
route del 100.96.0.0/12 dev sp0
route add 100.64.0.0/10 dev sp0 proto 83
`,
    );
    assert.equal(plan.ip6, '');
    assert.equal(
      planDown(STATE, found).ip6,
      `rule del pref 0 iif sp0 fwmark 0/0x8000000 prohibit protocol 83
route del fd7a:1::/48 dev sp0 proto 83
route del blackhole fd7a:1::/48 metric 4000000 proto 83
address del fd7a:1::1/128 dev sp0
`,
    );
  });

  it('routes remote networks in separate tables with a blackhole behind each, and removes old routes', () => {
    const found: FoundHost = {
      ...PRISTINE,
      link: { mtu: 1280, up: true, group: '83' },
      addresses: STATE.addresses,
      routes: [
        { kind: 'unicast', destination: '100.64.0.0/10', metric: 0 },
        { kind: 'unicast', destination: 'fd7a:1::/48', metric: 1024 },
        { kind: 'unicast', destination: '10.6.0.0/16', metric: 0 },
        { kind: 'blackhole', destination: '100.64.0.0/10', metric: 4_000_000 },
        { kind: 'blackhole', destination: 'fd7a:1::/48', metric: 4_000_000 },
        { kind: 'blackhole', destination: '10.6.0.0/16', metric: 4_000_000 },
      ],
      rules: { v4: [prohibit('sp0'), LOCAL], v6: [prohibit('sp0'), LOCAL] },
    };
    const plan = planUp({ ...STATE, routes: ['10.7.0.1/16', '10.7.0.0/16', 'fd11::/32'] }, found);
    assert.equal(
      plan.ip4,
      `route del blackhole 10.6.0.0/16 metric 4000000 proto 83
route add blackhole 10.7.0.0/16 metric 4000000 table 1400225636 proto 83
route add 10.7.0.0/16 dev sp0 table 1400225636 proto 83
route add blackhole 0.0.0.0/0 metric 4000000 table 1400225637 proto 83
route add 0.0.0.0/0 dev sp0 table 1400225637 proto 83
rule add pref 5172 iif sp0 fwmark 0xa000000 lookup 1400225637 protocol 83
rule add pref 5172 iif lo fwmark 0xa000000 lookup 1400225637 protocol 83
rule add pref 5170 iif sp0 fwmark 0xc000000 goto 5172 protocol 83
rule add pref 5171 fwmark 0xc000000 lookup 1400225636 protocol 83
rule add pref 33000 iif lo lookup 1400225636 protocol 83
route del 10.6.0.0/16 dev sp0
`,
    );
    assert.equal(
      plan.ip6,
      plan.ip4
        .replaceAll('10.7.0.0/16', 'fd11::/32')
        .replaceAll('0.0.0.0/0', '::/0')
        .replace(/.*10\.6\..*\n/g, ''),
    );
    assert.deepEqual(plan.conflicts, []);
  });

  it('keeps the ways of other gateways, and repairs and removes its own', () => {
    const mine = [
      ...['pref 5170 iif sp0 fwmark 0xc000000 goto 5172', 'pref 5171 fwmark 0xc000000 lookup 1400225636'],
      ...[
        'pref 5172 iif lo fwmark 0xa000000 lookup 1400225637',
        'pref 5172 iif sp0 fwmark 0xa000000 lookup 1400225637',
      ],
      'pref 33000 iif lo lookup 1400225636',
    ];
    const others = ['pref 5170 iif sp1 fwmark 0xc000000 goto 5172', 'pref 33000 iif lo lookup 1400000008'];
    const found: FoundHost = {
      ...PRISTINE,
      ipv6: false,
      link: { mtu: 1280, up: true, group: '83' },
      addresses: STATE.addresses.slice(0, 1),
      routes: [
        { kind: 'unicast', destination: '100.64.0.0/10', metric: 0 },
        { kind: 'blackhole', destination: '100.64.0.0/10', metric: 4_000_000 },
      ],
      ways: {
        away: [],
        onward: [
          { kind: 'unicast', destination: '0.0.0.0/0', metric: 0 },
          { kind: 'blackhole', destination: '0.0.0.0/0', metric: 4_000_000 },
        ],
      },
      rules: { v4: [prohibit('sp0'), LOCAL], v6: [] },
      wayRules: { v4: [...mine, ...others], v6: [] },
    };
    const state = { ...STATE, onward: true };
    assert.equal(planUp(state, found).ip4, '');
    const damaged = {
      ...found,
      wayRules: { v4: others, v6: [] },
      ways: { away: found.ways?.onward ?? [], onward: [] },
    };
    const { ip4, differences } = planUp(state, damaged);
    assert.equal(ip4.match(/^rule add /gm)?.length, 5);
    assert.match(ip4, /^route add 0\.0\.0\.0\/0 dev sp0 table 1400225637 proto 83$/m);
    assert.match(ip4, /^route del 0\.0\.0\.0\/0 dev sp0 table 1400225636 proto 83$/m);
    assert.equal(differences.length, 9);
    for (const { ip4: text } of [planUp(STATE, found), planDown(state, found)]) {
      assert.deepEqual(
        text.match(/(?<=^rule del )pref 5.*(?= protocol)|(?<=^rule del )pref 33.*(?= protocol)/gm)?.sort(),
        [...mine].sort(),
      );
      assert.equal(text.match(/^route del .*table 1400225637 proto 83$/gm)?.length, 2);
    }
  });

  it("lets the host's own network win, and reports it", () => {
    const foreign = [
      { destination: '0.0.0.0/0', device: 'eth0', connected: false },
      { destination: '10.0.0.0/8', device: 'eth0', connected: false },
      { destination: '10.1.0.0/16', device: 'eth1', connected: true },
      { destination: '10.2.3.0/24', device: 'docker0', connected: true },
      { destination: '10.3.0.0/16', device: 'eth0', connected: false },
    ];
    const routes = ['10.1.5.0/24', '10.2.0.0/16', '10.3.0.0/16', '10.4.0.0/16'];
    const plan = planUp({ ...STATE, routes }, { ...PRISTINE, foreign });
    assert.deepEqual(plan.ip4.match(/(?<=route add )10\.\S+/g), ['10.2.0.0/16', '10.4.0.0/16']);
    assert.deepEqual(plan.conflicts, [
      '10.1.5.0/24 is not routed into the tunnel: the host has 10.1.0.0/16 on eth1',
      '10.2.3.0/24 of 10.2.0.0/16 does not go into the tunnel: the host has it on docker0',
      '10.3.0.0/16 is not routed into the tunnel: the host has 10.3.0.0/16 on eth0',
    ]);
  });

  it('leaves out IPv6 on a host without it, and in a tunnel too narrow for it', () => {
    assert.equal(planUp(STATE, { ...PRISTINE, ipv6: false }).ip6, '');
    assert.doesNotMatch(planUp({ ...STATE, mtu: 1220 }, PRISTINE).ip6, /address|dev sp0 proto/);
  });

  it('refuses an invalid interface, address or MTU', () => {
    for (const broken of [{ interface: 'a b' }, { addresses: ['1.2.3.4/32 dev eth0'] }, { mtu: 100 }, { mtu: 1e9 }]) {
      assert.throws(() => planUp({ ...STATE, ...broken }, PRISTINE), { code: 'invalid-state' });
    }
  });
});

describe('sysctls', () => {
  it('uses force_forwarding where the kernel has it, on every interface', () => {
    const found = new Map([
      ['net/ipv4/ip_forward', '0'],
      ['net/ipv4/ip_early_demux', '1'],
      ['net/ipv4/conf/sp0/rp_filter', '1'],
      ['net/ipv4/conf/all/src_valid_mark', '0'],
      ['net/ipv6/conf/all/forwarding', '0'],
      ['net/ipv6/conf/all/force_forwarding', '0'],
      ['net/ipv6/conf/default/force_forwarding', '0'],
      ['net/ipv6/conf/eth0/force_forwarding', '1'],
      ['net/ipv6/conf/sp0/force_forwarding', '0'],
      ['net/ipv6/conf/eth0/accept_ra', '1'],
    ]);
    assert.deepEqual(planSysctls('sp0', found), [
      { path: 'net/ipv4/ip_forward', value: '1', before: '0' },
      { path: 'net/ipv4/ip_early_demux', value: '0', before: '1' },
      { path: 'net/ipv4/conf/sp0/rp_filter', value: '2', before: '1' },
      { path: 'net/ipv4/conf/all/src_valid_mark', value: '1', before: '0' },
      { path: 'net/ipv6/conf/default/force_forwarding', value: '1', before: '0' },
      { path: 'net/ipv6/conf/sp0/force_forwarding', value: '1', before: '0' },
    ]);
  });

  it('otherwise turns on forwarding for all interfaces and keeps accepting router advertisements', () => {
    const found = new Map([
      ['net/ipv4/ip_forward', '1'],
      ['net/ipv6/conf/all/forwarding', '0'],
      ['net/ipv6/conf/eth0/accept_ra', '1'],
      ['net/ipv6/conf/eth1/accept_ra', '0'],
      ['net/ipv6/conf/eth2/accept_ra', '2'],
    ]);
    assert.deepEqual(planSysctls('sp0', found), [
      { path: 'net/ipv6/conf/eth0/accept_ra', value: '2', before: '1' },
      { path: 'net/ipv6/conf/all/forwarding', value: '1', before: '0' },
    ]);
    assert.deepEqual(planSysctls('sp0', found.set('net/ipv6/conf/all/forwarding', '1')), []);
  });
});

function lookup(priority: number, table: string): FoundRule {
  return { priority, action: 'lookup', table, iif: null, fwmark: 0, fwmask: 0, narrowed: false };
}

function prohibit(iif: string): FoundRule {
  return { priority: 0, action: 'prohibit', table: null, iif, fwmark: 0, fwmask: 0x08000000, narrowed: false };
}

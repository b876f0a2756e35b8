import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { ClientHostState } from '../types.ts';
import { batchChanges, changeKey, reportedChange, withChanges } from './change.ts';
import type { FoundClient } from './found.ts';
import { concernsClient, touchesFound } from './monitor.ts';
import { planClientDown, planClientUp } from './plan.ts';

const OWN = { interface: 'sp0', table: 23057 };
const STATE: ClientHostState = {
  ...OWN,
  addresses: ['100.64.0.7/32', 'fd7a:1::7/128'],
  overlay: { v4: '100.64.0.0/10', v6: 'fd7a:1::/48' },
  mtu: 1280,
  prefixes: ['10.9.0.0/16', '10.8.0.7/32', 'fd00:1::/64'],
  direct: [
    { address: '192.0.2.10', protocol: 'tcp', port: 7000 },
    { address: 'fd00:1::5', protocol: 'udp', port: 7001 },
  ],
  uid: 0,
  mark: 0x5a110001,
};
const FULL: ClientHostState = { ...STATE, prefixes: ['0.0.0.0/0', '::/0', '10.9.0.0/16'] };
const EMPTY: FoundClient = {
  ...{ ipv6: true, link: { mtu: 1280, up: true }, addresses: STATE.addresses, routes: [], strangers: 0 },
  ...{ foreign: [], own: [], rules: { v4: [], v6: [] }, sysctls: new Map() },
};

/** Lines of iproute2 6.1 for commands of a plan. */
const REPORTS: readonly (readonly [command: string, report: string])[] = [
  [
    'route add unreachable 10.9.0.0/16 metric 4000000 table 23057 proto 83',
    '[ROUTE]unreachable 10.9.0.0/16 table 23057 proto 83 metric 4000000 ',
  ],
  [
    'route add 10.9.0.0/16 dev sp0 scope global table 23057 proto 83',
    '[ROUTE]10.9.0.0/16 dev sp0 table 23057 proto 83 linkdown ',
  ],
  ['route add throw 10.9.1.0/24 table 23057 proto 83', '[ROUTE]throw 10.9.1.0/24 table 23057 proto 83 '],
  ['route add 10.8.0.7/32 dev sp0 scope global table 23057 proto 83', '[ROUTE]10.8.0.7 dev sp0 table 23057 proto 83 '],
  [
    'route add fd00:1::/64 dev sp0 table 23057 proto 83',
    '[ROUTE]fd00:1::/64 dev sp0 table 23057 proto 83 metric 1024 linkdown pref medium',
  ],
  [
    'route del unreachable fd00:1::/64 metric 4000000 table 23057 proto 83',
    '[ROUTE]Deleted unreachable fd00:1::/64 dev lo table 23057 proto 83 metric 4000000 pref medium',
  ],
  [
    'route add throw fe80::/10 table 23057 proto 83',
    '[ROUTE]throw fe80::/10 dev lo table 23057 proto 83 metric 1024 pref medium',
  ],
  [
    'route del 0.0.0.0/0 dev sp0 scope global table 23057 proto 83',
    '[ROUTE]Deleted default dev sp0 table 23057 proto 83 scope link linkdown ',
  ],
  [
    'route add ::/0 dev sp0 table 23057 proto 83',
    '[ROUTE]default dev sp0 table 23057 proto 83 metric 1024 linkdown pref medium',
  ],
  [
    'rule add pref 5181 not fwmark 0x5a110001 lookup 23057 protocol 83',
    '[RULE]5181:\tnot from all fwmark 0x5a110001 lookup 23057 proto 83',
  ],
  [
    'rule del pref 5180 to 192.0.2.10 ipproto tcp dport 7000 uidrange 0-0 lookup main protocol 83',
    '[RULE]Deleted 5180:\tfrom all to 192.0.2.10 uidrange 0-0 ipproto tcp dport 7000 lookup main proto 83',
  ],
  [
    'rule add pref 5180 ipproto udp sport 68 dport 67 lookup main protocol 83',
    '[RULE]5180:\tfrom all ipproto udp sport 68 dport 67 lookup main proto 83',
  ],
  [
    'rule add pref 5180 to 10.0.0.0/8 ipproto udp dport 53 lookup main protocol 83',
    '[RULE]5180:\tfrom all to 10.0.0.0/8 ipproto udp dport 53 lookup main proto 83',
  ],
];

for (const [command, report] of REPORTS) {
  it(`recognises the report of: ${command}`, () => {
    const [change] = batchChanges(`${command}\n`, OWN) ?? [];
    const reported = reportedChange(report, OWN);
    assert.ok(change && reported);
    assert.equal(changeKey(reported), changeKey(change));
  });
}

it('takes no report for one of ours that another table, device, protocol or selector is in', () => {
  const foreign = [
    '[ROUTE]10.9.0.0/16 dev sp0 table 23058 proto 83 ',
    '[ROUTE]10.9.0.0/16 dev sp0 proto 83 ',
    '[ROUTE]10.9.0.0/16 dev eth0 table 23057 proto 83 ',
    '[ROUTE]10.9.0.0/16 via 192.0.2.1 dev sp0 table 23057 proto 83 ',
    '[ROUTE]10.9.0.0/16 dev sp0 table 23057 proto static ',
    '[ROUTE]multicast 224.0.0.0/4 dev sp0 table 23057 proto 83 ',
    '[ROUTE]blackhole 10.9.0.0/16 table 23057 proto 83 ',
    '[RULE]5181:\tfrom 10.0.0.0/8 lookup 23057 proto 83',
    '[RULE]5181:\tnot from all fwmark 0x5a110001 lookup 23057 proto kernel',
    '[RULE]5181:\tnot from all fwmark 0x5a110001 iif eth0 lookup 23057 proto 83',
    '[RULE]5181:\tnot from all fwmark 0x5a110001 lookup 23057',
    '[LINK]2: sp0: <POINTOPOINT,UP> mtu 1280',
    '',
  ];
  assert.deepEqual(
    foreign.filter((line) => reportedChange(line, OWN) !== null),
    [],
  );
});

it('a plan whose reports are not known in advance is not read', () => {
  assert.equal(batchChanges('link set dev sp0 up\n', OWN), null);
  assert.equal(batchChanges('address add 100.64.0.7/32 dev sp0\n', OWN), null);
  assert.equal(batchChanges('route add 10.9.0.0/16 dev eth0 table 23057 proto 83\n', OWN), null);
  assert.deepEqual(batchChanges('', OWN), []);
});

it('a host with the changes of a plan needs no further change', () => {
  for (const state of [STATE, FULL, { ...STATE, prefixes: [] }, { ...FULL, internet: ['1.0.0.0/8'] }])
    for (const before of [STATE, FULL, { ...STATE, prefixes: [] }]) {
      const found = after(
        after(EMPTY, planClientUp(before, EMPTY)),
        planClientUp(state, after(EMPTY, planClientUp(before, EMPTY))),
      );
      assert.deepEqual(planClientUp(state, found).differences, []);
      const { routes, rules } = after({ ...found, addresses: [] }, planClientDown(state, { ...found, addresses: [] }));
      assert.deepEqual({ routes, rules }, { routes: [], rules: { v4: [], v6: [] } });
    }

  function after(found: FoundClient, { ip4, ip6 }: { ip4: string; ip6: string }): FoundClient {
    const [changes4, changes6] = [batchChanges(ip4, OWN), batchChanges(ip6, OWN)];
    assert.ok(changes4 && changes6);
    return withChanges(withChanges(found, 4, changes4), 6, changes6);
  }
});

it('each line that can change what a full read finds ends what is remembered', () => {
  const touching = [
    '[LINK]5: eth0: <BROADCAST> mtu 1500',
    '[ADDR]5: eth0    inet 192.0.2.2/24',
    '[RULE]99:\tfrom all lookup main',
    '[ROUTE]10.1.0.0/16 via 192.0.2.1 dev eth0 ',
    '[ROUTE]10.1.0.0/16 dev sp0 table 23057 proto static ',
    'a line of a later version',
  ];
  for (const line of touching) assert.equal(touchesFound(STATE, line), true, line);
  for (const line of [
    '[NETCONF]inet eth0 forwarding on',
    '[ROUTE]local 192.0.2.2 dev eth0 table local proto kernel ',
  ]) {
    assert.equal(touchesFound(STATE, line), false, line);
    assert.equal(concernsClient(STATE, line), false, line);
  }
});

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { concernsHost } from './monitor.ts';

const STATE = {
  interface: 'sp0',
  addresses: ['100.64.0.1/32'],
  overlay: { v4: '100.64.0.0/10', v6: 'fd7a:1::/48' },
  mtu: 1280,
  routes: ['10.1.0.0/16', 'fd11::/32'],
};

it('selects only the changes that can matter', () => {
  const ours = [
    '[LINK]Deleted 2: sp0: <POINTOPOINT,MULTICAST,NOARP> mtu 1300 qdisc noop state DOWN group default \\    link/none ',
    '[LINK]2: sp0@if7: <BROADCAST,UP> mtu 1300',
    '[ADDR]Deleted 2: sp0    inet 100.64.0.1/32 scope global noprefixroute sp0\\       valid_lft forever',
    '[ROUTE]Deleted 100.64.0.0/10 dev sp0 proto 83 scope link ',
    '[ROUTE]Deleted blackhole 100.64.0.0/10 proto 83 metric 4000000 ',
    '[ROUTE]Deleted blackhole fd7a:1::/48 dev lo proto 83 metric 4000000 pref medium',
    '[RULE]Deleted 0:\tfrom all fwmark 0/0x8000000 iif sp0 prohibit',
    '[ROUTE]10.1.0.0/24 dev eth0 proto kernel scope link src 10.1.0.9 ',
    '[ROUTE]Deleted 10.0.0.0/8 via 10.9.0.1 dev eth0 ',
    '[ROUTE]10.1.7.7 via 10.9.0.1 dev eth0 ',
    '[ROUTE]unreachable fd11:0:5::/48 dev lo metric 1024 pref medium',
    '[NETCONF]inet lan0 forwarding off ',
    '[NETCONF]inet6 lan0 ',
    '[ROUTE]Deleted blackhole default dev lo table 1400225637 proto 83 metric 4000000 pref medium',
    '[RULE]5:\tfrom all to 1.2.3.4 lookup main',
  ];
  const others = [
    '[LINK]3: sp01: <BROADCAST,UP> mtu 1500',
    '[LINK]3: eth0: <BROADCAST,UP> mtu 1500',
    '[ADDR]3: eth0    inet 10.0.0.5/24 scope global eth0\\       valid_lft forever',
    '[ROUTE]10.9.0.0/16 via 10.0.0.1 dev eth0 proto bird metric 32',
    '[ROUTE]Deleted blackhole default dev lo table 1400225638 proto 83 metric 4000000 pref medium',
    '[ROUTE]default via fe80::1 dev eth0 proto ra metric 1024 pref medium',
  ];
  for (const line of ours) assert.equal(concernsHost(STATE, line), true, line);
  for (const line of others) assert.equal(concernsHost(STATE, line), false, line);
});

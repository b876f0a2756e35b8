import assert from 'node:assert/strict';
import { HostNetError } from '../../packages/hostnet/src/errors.ts';
import { foreignDrops } from '../../packages/hostnet/src/firewall/foreign.ts';
import { MonitorReader } from '../../packages/hostnet/src/firewall/monitor.ts';
import { readChains } from '../../packages/hostnet/src/system/foreign.ts';
import { readInventory, readListing } from '../../packages/hostnet/src/system/nft-json.ts';
import { below, oddText, pick, spoiltJson, spoiltText } from './mutate.ts';

/** Name of the target. */
export const name = 'nft';

const table = { family: 'inet', table: 'sallyport_sp0' };
const match = { match: { op: '==', left: { meta: { key: 'iifname' } }, right: { set: ['sp0', 'eth0'] } } };
const listing = {
  nftables: [
    { metainfo: { version: '1.1.3', json_schema_version: 1 } },
    { table: { family: 'inet', name: 'sallyport_sp0', handle: 1 } },
    { chain: { ...table, name: 'forward', handle: 2, type: 'filter', hook: 'forward', prio: 0, policy: 'drop' } },
    {
      rule: { ...table, chain: 'forward', handle: 3, expr: [match, { jump: { target: 'grants' } }, { accept: null }] },
    },
    { map: { ...table, name: 'devices4', type: 'ipv4_addr', map: 'mark', elem: [['100.64.0.2', 7]] } },
    {
      map: {
        ...table,
        name: 'classes4',
        type: 'ipv4_addr',
        map: 'classid',
        elem: [[{ range: ['10.0.0.1', '10.0.0.9'] }, '1:2']],
      },
    },
    { map: { ...table, name: 'sites4', map: 'mark', elem: [[{ prefix: { addr: '10.1.0.0', len: 16 } }, 9]] } },
    { map: { ...table, name: 'cells', map: 'mark', elem: [[{ concat: [1, '1:2'] }, 3]] } },
    { map: { ...table, name: 'tcp_ports', map: 'classid', elem: [[{ range: [80, 90] }, '0:1']] } },
    { map: { ...table, name: 'allowed', map: 'counter', elem: [[{ concat: [3, '0:1'] }, 'policy_x']] } },
    {
      map: {
        ...table,
        name: 'devices6',
        map: 'mark',
        elem: [[{ elem: { val: 'fd00::2', timeout: 60, expires: 9 } }, 7]],
      },
    },
    { set: { ...table, name: 'lease', elem: [{ elem: { val: 1, timeout: 60, expires: 50 } }] } },
    { counter: { ...table, name: 'drop_spoofed', packets: 1, bytes: 60 } },
  ],
};
const lines = [
  'add element inet sallyport_sp0 devices4 { 100.64.0.2 : 0x00000007 }',
  'delete rule inet filter forward handle 3',
  '# new generation 12 by process 4711 (nft)',
  'add table ip nat',
];

/** Feeds listings of nftables, and output of `nft monitor`. */
export function target(random: () => number): void {
  const answer = random() < 0.8 ? spoiltJson(random, listing) : JSON.parse(JSON.stringify(listing));
  for (const read of [readListing, readInventory, readForeign]) {
    try {
      read(answer);
    } catch (error) {
      if (!(error instanceof HostNetError)) throw error;
      assert.ok(error.message.length < 1_000, 'a refusal is short');
    }
  }
  const reader = new MonitorReader('sallyport_sp0');
  for (let left = below(random, 20); left > 0; left--) {
    reader.line(random() < 0.8 ? spoiltText(random, pick(random, lines)) : oddText(random));
  }
}

function readForeign(answer: unknown): void {
  foreignDrops(readChains(answer), 'sallyport_sp0', 'sp0');
}

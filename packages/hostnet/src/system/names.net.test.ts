import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { namespacesMissing, until } from '../testing/namespaces.ts';
import { exampleState, FAR, HOST, OVERLAY, RESOURCE, Topology } from '../testing/topology.ts';
import type { FirewallState } from '../types.ts';

const skip = await namespacesMissing();
const noConntrack = spawnSync('conntrack', ['--version']).error === undefined ? false : 'needs conntrack';
const FAMILIES = ['v4', 'v6'] as const;
const virtual = (n: number) => ({ v4: `100.96.0.${n}`, v6: `fd7a:1:0:ffff::${n}` });
const [WIKI, DOCS, LOST, FARAWAY] = [virtual(1), virtual(2), virtual(4), virtual(6)];
const overlay = { ...OVERLAY, v4: '100.64.0.0/11' };
const GATEWAY = { v4: '100.64.0.1', v6: 'fd7a:1::1' };

type Pair = { readonly v4: string; readonly v6: string };

function translation(...names: readonly (readonly [Pair, Pair])[]): Map<string, string> {
  return new Map(names.flatMap(([from, to]) => FAMILIES.map((family) => [from[family], to[family]] as const)));
}

/** Alice may reach port 80 of one name, port 81 of another, and both names are of one server. */
function state(change: Partial<FirewallState> = {}): FirewallState {
  const single = ({ v4, v6 }: Pair): string[] => [`${v4}-${v4}`, `${v6}-${v6}`];
  const cell = (name: string) => ({ class: name, bundle: name, expiresAt: null });
  const tcp = (from: number) => ({ protocol: 'tcp', from, to: from, policy: 'p-web' }) as const;
  const ping = { protocol: 'icmp', from: 0, to: 65535, policy: 'p-web' } as const;
  return {
    ...exampleState(Date.now()),
    names: translation([WIKI, RESOURCE], [DOCS, RESOURCE], [FARAWAY, FAR]),
    classes: new Map([
      ['wiki', { id: 'wiki', ranges: [...single(WIKI), ...single(LOST), ...single(FARAWAY)] }],
      ['docs', { id: 'docs', ranges: single(DOCS) }],
    ]),
    profiles: new Map([
      ['staff', { id: 'staff', cells: [cell('wiki'), cell('docs')] }],
      ['guests', { id: 'guests', cells: [] }],
    ]),
    bundles: new Map([
      ['wiki', { id: 'wiki', grants: [tcp(80), ping] }],
      ['docs', { id: 'docs', grants: [tcp(81)] }],
    ]),
    ...change,
  };
}

describe('names', { skip }, () => {
  const net = new Topology();
  before(async () => {
    await net.start();
    await net.gateway.call('firewall', { interface: 'sp0', overlay });
    await load();
    await net.gateway.call('hostUp', { ...HOST, overlay, members: ['100.64.0.0/24', 'fd7a:1::/120'] });
    await net.gateway.call('serve', 53);
    // As on most hosts, packets to any address have a route.
    await net.gateway.ip(`route add default via ${RESOURCE.v4}\n -6 route add default via ${RESOURCE.v6}`);
  });
  after(() => net.stop());

  async function load(change: Partial<FirewallState> = {}): Promise<void> {
    await net.gateway.call('load', state(change), Date.now());
  }

  let flows = 0;
  async function answers(at: Pair, family: 'v4' | 'v6', port: number): Promise<void> {
    const id = `flow ${flows++}`;
    await net.alice.call('open', id, at[family], port);
    await net.alice.call('say', id, 'question');
    await until('an answer', async () => (await net.alice.call('heard', id)) === 'question');
    await net.alice.call('close', id);
  }

  for (const family of FAMILIES) {
    it(`of one server open what is granted to each, and its real address opens nothing: ${family}`, async () => {
      await answers(WIKI, family, 80);
      await answers(DOCS, family, 81);
      await net.isDropped('denied_in', () => net.alice.call('open', 'x', WIKI[family], 81));
      await net.isDropped('denied_in', () => net.alice.call('open', 'x', DOCS[family], 80));
      await net.isDropped('denied_in', () => net.alice.call('open', 'x', RESOURCE[family], 80));
      await net.isDropped('denied_in', () => net.bob.call('open', 'x', WIKI[family], 80));
    });

    it(`without a real address are rejected at once: ${family}`, async () => {
      await assert.rejects(net.alice.call('open', 'lost', LOST[family], 80), /EHOSTUNREACH/);
    });

    it(`keep a running flow when their real address changes, and take new flows to the new one: ${family}`, async () => {
      const id = `kept${family}`;
      await net.alice.call('open', id, WIKI[family], 80);
      const echoes = async (text: string) => {
        const sofar = await net.alice.call('heard', id);
        await net.alice.call('say', id, text);
        await until('an echo', async () => (await net.alice.call('heard', id)) === sofar + text);
      };
      await echoes('before');
      const names = translation([DOCS, RESOURCE], [FARAWAY, FAR], [WIKI, FAR]);
      assert.equal(await net.gateway.call('change', { settings: { names } }, Date.now()), 'changed');
      assert.deepEqual((await net.gateway.call('readBackTouched', Date.now())).differences, []);
      await echoes('after');
      await net.far.exec('nft', 'add table inet closed');
      await net.far.exec('nft', 'add chain inet closed in { type filter hook input priority 0 ; }');
      await net.far.exec('nft', 'add rule inet closed in tcp dport 80 reject with tcp reset');
      await assert.rejects(net.alice.call('open', 'new', WIKI[family], 80), /ECONNREFUSED/);
      await net.far.exec('nft', 'delete table inet closed');
      await answers(WIKI, family, 80);
      await net.gateway.call('change', { upsert: { profiles: [{ id: 'staff', cells: [] }] } }, Date.now());
      await net.isDropped('denied_in', async () => {
        await net.alice.call('say', id, 'still there?');
        await new Promise(() => {});
      });
      await net.alice.call('close', id);
      await load();
    });

    it(`pass errors about the path: ${family}`, async () => {
      const ping = `ping -M do -s 1400 -c 3 -i 0.2 -W 2 ${FARAWAY[family]} 2>&1 || true`;
      assert.match(await net.alice.exec('sh', '-c', ping), /Frag needed|Packet too big|message too long/i);
    });

    it(`are in use as long as a flow is known: ${family}`, { skip: noConntrack }, async () => {
      const id = `used${family}`;
      await net.alice.call('open', id, WIKI[family], 80);
      await net.alice.call('say', id, 'question');
      await until('an echo', async () => (await net.alice.call('heard', id)) === 'question');
      await net.gateway
        .exec('conntrack', '-D', '-f', family.replace('v', 'ipv'), '--orig-dst', DOCS[family])
        .catch(() => '');
      const asked = [WIKI[family], DOCS[family], RESOURCE[family]];
      assert.deepEqual(await net.gateway.call('flowsTo', asked), [WIKI[family]]);
      assert.deepEqual(await net.gateway.call('flowsTo', [DOCS[family]]), []);
      assert.deepEqual(await net.gateway.call('flowsTo', []), []);
      await net.alice.call('close', id);
    });

    it(`are asked for by known devices alone, at the gateway itself: ${family}`, async () => {
      await answers(GATEWAY, family, 53);
      await load({ devices: new Map([...state().devices].filter(([id]) => id !== 'alice')) });
      await net.isDropped('denied_in', () => net.alice.call('open', 'x', GATEWAY[family], 53));
      await load({ leaseUntil: Date.now() - 1 });
      await net.isDropped('denied_in', () => net.alice.call('open', 'x', GATEWAY[family], 53));
      await load();
    });
  }

  it('cost no rule where there are none, and leave none behind', async () => {
    const rules = async () => (await net.gateway.exec('nft', 'list', 'table', 'inet', 'sallyport_sp0')).split('\n');
    const about = (lines: readonly string[]) =>
      lines.filter((line) => /dnat|daddr 100\.96\.|dport 53/.test(line)).length;
    assert.ok(about(await rules()) > 0);
    assert.equal(await net.gateway.call('change', { settings: { names: null } }, Date.now()), 'changed');
    assert.equal(about(await rules()), 0);
    assert.deepEqual((await net.gateway.call('readBack', Date.now())).differences, []);
    await net.isDropped('denied_in', () => net.alice.call('open', 'x', GATEWAY.v4, 53));
    await load();
  });

  it('show a translation that another program changed', async () => {
    const table = ['inet', 'sallyport_sp0'];
    const list = await net.gateway.exec('nft', 'list', 'table', ...table);
    const map = /map (names4_[abc])/.exec(list)?.[1] ?? '';
    await net.gateway.exec('nft', 'delete', 'element', ...table, map, '{ 100.96.0.1 }');
    await net.gateway.exec('nft', 'add', 'element', ...table, map, '{ 100.96.0.1 : 10.9.0.77 }');
    const { differences } = await net.gateway.call('readBack', Date.now());
    assert.deepEqual(differences, ['names4: 100.96.0.1 is mapped to 10.9.0.77']);
    await load();
  });
});

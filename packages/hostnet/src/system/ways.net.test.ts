import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { Namespace, namespacesMissing, until } from '../testing/namespaces.ts';
import { ALICE, exampleState, GATEWAY_LAN, HOST, OVERLAY, RESOURCE, Topology } from '../testing/topology.ts';
import type { Methods } from '../testing/worker.ts';
import type { Cell, FirewallState, HostState, Profile } from '../types.ts';

const skip = await namespacesMissing();
const FAMILIES = ['v4', 'v6'] as const;
/**
 * Behind the other gateway, which the namespace `bob` represents. The gateway's own default route leads to a namesake.
 */
const BRANCH = { v4: '10.1.0.5', v6: 'fd11::5' } as const;
/** A second device, in the namespace of alice. */
const CAROL = { v4: '100.64.0.4', v6: 'fd7a:1::4' } as const;
/** Two hosts of another network at the gateway. */
const OFFICE = { v4: '10.12.0.10', v6: 'fd12::10' } as const;
const SHOP = { v4: '10.12.0.11', v6: 'fd12::11' } as const;
const PREFIXES = ['10.1.0.0/16', 'fd11::/32'];
/** Only the namesake listens on `HERE`, and only the branch on `THERE`. */
const HERE = 82;
const THERE = 80;

describe('ways between gateways, with packets', { skip }, () => {
  const net = new Topology();
  const office = new Namespace('o');
  before(async () => {
    await net.start();
    await office.start();
    await net.gateway.call('firewall', { interface: 'sp0', overlay: OVERLAY });
    await net.gateway.ip(`
      route add default via ${RESOURCE.v4}
      -6 route add default via ${RESOURCE.v6}
      link add lan1 type veth peer name o0 netns ${office.name}
      address add 10.12.0.1/24 dev lan1
      address add fd12::1/64 dev lan1 nodad
      link set lan1 up`);
    await office.ip(`
      address add ${OFFICE.v4}/24 dev o0
      address add ${SHOP.v4}/24 dev o0
      address add ${OFFICE.v6}/64 dev o0 nodad
      address add ${SHOP.v6}/64 dev o0 nodad
      link set o0 up
      route add default via 10.12.0.1
      -6 route add default via fd12::1`);
    await net.bob.ip(`
      address add ${BRANCH.v4}/32 dev tun
      address add ${BRANCH.v6}/128 dev tun nodad`);
    await net.alice.ip(`
      address add ${CAROL.v4}/32 dev tun
      address add ${CAROL.v6}/128 dev tun nodad`);
    await net.wire.ip(`
      route add ${BRANCH.v4} dev towards-bob
      route add ${BRANCH.v6} dev towards-bob
      route add ${CAROL.v4} dev towards-alice
      route add ${CAROL.v6} dev towards-alice`);
    await net.resource.ip(`
      address add ${BRANCH.v4}/32 dev lo
      address add ${BRANCH.v6}/128 dev lo nodad`);
    await net.bob.call('serve', THERE);
    await net.bob.call('serveTicks', 8000);
    await net.resource.call('serve', HERE);
    await office.call('serve', 81);
  });
  after(async () => {
    await net.stop();
    await office.stop();
  });
  beforeEach(async () => {
    await load({});
    await up({});
  });

  async function load(change: Partial<FirewallState>): Promise<void> {
    const now = Date.now();
    const example = exampleState(now);
    const single = ({ v4, v6 }: { v4: string; v6: string }): string[] => [`${v4}-${v4}`, `${v6}-${v6}`];
    const cell = (id: string, over: Partial<Cell> = {}): Cell => ({
      class: id,
      bundle: 'open',
      expiresAt: null,
      ...over,
    });
    const profiles: Profile[] = [
      { id: 'onward', cells: [cell('branch', { onward: true }), cell('lan')] },
      { id: 'local', cells: [cell('branch')] },
      { id: 'site', cells: [cell('lan'), cell('own')] },
    ];
    const device = (id: string, { v4, v6 }: typeof CAROL | typeof ALICE, profile: string) =>
      [id, { id, addresses: [v4, v6], profile, expiresAt: null }] as const;
    const all = (['tcp', 'udp', 'icmp'] as const).map((protocol) => ({ protocol, from: 0, to: 65535, policy: 'p' }));
    await net.gateway.call(
      'load',
      {
        ...example,
        devices: new Map([device('alice', ALICE, 'onward'), device('carol', CAROL, 'local')]),
        sites: new Map(),
        classes: new Map([
          [
            'branch',
            { id: 'branch', ranges: ['10.1.0.0-10.1.255.255', 'fd11::-fd11:0:ffff:ffff:ffff:ffff:ffff:ffff'] },
          ],
          ['lan', { id: 'lan', ranges: single(RESOURCE) }],
          ['own', { id: 'own', ranges: single(GATEWAY_LAN) }],
        ]),
        profiles: new Map(profiles.map((profile) => [profile.id, profile])),
        bundles: new Map([['open', { id: 'open', grants: all }]]),
        ...change,
      },
      now,
    );
  }

  /** Applies changes as agents do, and reads them back. */
  async function change(delta: Parameters<Methods['change']>[0]): Promise<void> {
    await net.gateway.call('change', delta, Date.now());
    assert.deepEqual((await net.gateway.call('readBackTouched', Date.now())).differences, []);
    assert.deepEqual((await net.gateway.call('readBack', Date.now())).differences, []);
  }

  const up = (over: Partial<HostState>) =>
    net.gateway.call('hostUp', { ...HOST, onward: true, routes: PREFIXES, ...over });
  const sites = (over: object = {}) => ({
    sites: new Map([['branch', { id: 'branch', prefixes: PREFIXES, profile: 'site', expiresAt: null, ...over }]]),
  });
  const egress = (over: object = {}) => {
    const item = {
      id: 'out',
      sources: [`${OFFICE.v4}/32`, `${OFFICE.v6}/128`],
      destinations: PREFIXES,
      expiresAt: null,
    };
    return { egress: new Map([['out', { ...item, ...over }]]) };
  };

  let flows = 0;
  /** Checks that a connection reaches the host that listens on this port. */
  async function leadsTo(
    from: Namespace,
    source: string | undefined,
    family: 'v4' | 'v6',
    port: number,
  ): Promise<void> {
    const id = `flow${++flows}`;
    await from.call('open', id, BRANCH[family], port, source);
    await from.call('say', id, 'hello');
    await until('echo', async () => (await from.call('heard', id)) === 'hello');
    await from.call('close', id);
  }

  it('ways hold without an agent process, are repaired after foreign removal, and end with the gateway', async () => {
    await load({ ...sites(), ...egress() });
    await net.gateway.killWorker();
    for (const family of FAMILIES) {
      await leadsTo(net.alice, ALICE[family], family, THERE);
      await leadsTo(office, OFFICE[family], family, THERE);
      await leadsTo(net.alice, CAROL[family], family, HERE);
      await net.bob.call('open', `alone${family}`, RESOURCE[family], 80, BRANCH[family]);
    }
    await net.gateway.restartWorker();
    await net.gateway.call('serve', 80);
    await net.gateway.call('firewall', { interface: 'sp0', overlay: OVERLAY });
    const host = { ...HOST, onward: true, routes: PREFIXES };
    assert.deepEqual(await net.gateway.call('hostVerify', host), []);
    const rules = (flag: string) => net.gateway.exec('ip', flag, 'rule');
    const before = await rules('-4');
    for (const flag of ['-4', '-6']) await net.gateway.exec('ip', flag, 'rule', 'del', 'pref', '5171');
    await net.gateway.exec('ip', 'rule', 'del', 'pref', '5170');
    await net.gateway.exec('ip', 'link', 'set', 'sp0', 'down');
    assert.ok((await net.gateway.call('hostVerify', host)).length > 5);
    await net.gateway.call('hostUp', host);
    assert.deepEqual(await net.gateway.call('hostVerify', host), []);
    assert.equal(await rules('-4'), before);
    await load(egress());
    for (const family of FAMILIES) await leadsTo(office, OFFICE[family], family, THERE);
    await net.gateway.call('hostDown', host, []);
    for (const flag of ['-4', '-6']) assert.doesNotMatch(await rules(flag), /1400225\d+|goto/);
    assert.doesNotMatch(await net.gateway.exec('ip', 'route', 'show', 'table', 'all'), /table 1400225\d+/);
  });

  it('changes add and remove ways', async () => {
    await change({ upsert: { sites: [...sites().sites.values()], egress: [...egress().egress.values()] } });
    await leadsTo(office, OFFICE.v4, 'v4', THERE);
    assert.equal(await net.bob.call('ask', RESOURCE.v4, 80, 'question', BRANCH.v4), 'question');
    assert.equal(await net.bob.call('ask', GATEWAY_LAN.v4, 80, 'question', BRANCH.v4), 'question');
    await change({ remove: { sites: ['branch'], egress: ['out'], profiles: ['onward'] } });
    await leadsTo(office, OFFICE.v4, 'v4', HERE);
    const table = await net.gateway.exec('nft', 'list', 'table', 'inet', 'sallyport_sp0');
    assert.doesNotMatch(table, /chain answering|jump ways_in/);
  });

  for (const family of FAMILIES) {
    it(`a device passes through, and its grant leads nothing else into the tunnel: ${family}`, async () => {
      await leadsTo(net.alice, ALICE[family], family, THERE);
      await net.alice.exec('ping', '-c', '1', '-W', '3', '-I', ALICE[family], BRANCH[family]);
      await leadsTo(net.alice, CAROL[family], family, HERE);
      await leadsTo(net.gateway, undefined, family, HERE);
      await leadsTo(office, OFFICE[family], family, HERE);
      await net.alice.call('open', 'lan', RESOURCE[family], HERE, ALICE[family]);
    });

    it(`a network enters the tunnel, and its grant leads nothing else there: ${family}`, async () => {
      await load(egress());
      await leadsTo(office, OFFICE[family], family, THERE);
      await office.exec('ping', '-c', '1', '-W', '3', '-I', OFFICE[family], BRANCH[family]);
      await leadsTo(office, SHOP[family], family, HERE);
      await leadsTo(net.alice, CAROL[family], family, HERE);
      await leadsTo(net.gateway, undefined, family, HERE);
    });

    it(`a site reaches this gateway, and its grant leads nothing else into the tunnel: ${family}`, async () => {
      for (const masquerade of [true, false]) {
        await load({ ...sites(), masquerade });
        if (!masquerade) await net.resource.ip(`route replace ${OFFICE[family]} via ${GATEWAY_LAN[family]}`);
        for (const target of [RESOURCE[family], GATEWAY_LAN[family]]) {
          // Without masquerading, the resource would answer its own namesake.
          if (!masquerade && target === RESOURCE[family]) continue;
          assert.equal(await net.bob.call('ask', target, 80, 'question', BRANCH[family]), 'question');
          await net.bob.call('open', `in${target}`, target, 80, BRANCH[family]);
          await net.bob.exec('ping', '-c', '1', '-W', '3', '-I', BRANCH[family], target);
        }
        await leadsTo(office, OFFICE[family], family, HERE);
        await leadsTo(net.gateway, undefined, family, HERE);
        await net.resource.call('open', `namesake${masquerade}`, OFFICE[family], 81, BRANCH[family]);
      }
    });

    it(`all kinds of ways work together, even without a default route: ${family}`, async () => {
      await load({ ...sites(), ...egress() });
      const flag = family === 'v6' ? '-6 ' : '';
      await net.gateway.ip(`${flag}route del default`);
      try {
        await leadsTo(net.alice, ALICE[family], family, THERE);
        await leadsTo(office, OFFICE[family], family, THERE);
        for (const target of [RESOURCE[family], GATEWAY_LAN[family]])
          await net.bob.call('open', `held${target}`, target, 80, BRANCH[family]);
        await net.isDropped('denied_out', () => net.gateway.call('open', 'x', BRANCH[family], HERE));
        await assert.rejects(office.call('open', 'x', BRANCH[family], HERE, SHOP[family]), 'there is no way');
      } finally {
        await net.gateway.ip(`${flag}route add default via ${RESOURCE[family]}`);
      }
    });

    it(`traffic for another gateway reaches no host here, with any routes and addresses: ${family}`, async () => {
      const own = `${BRANCH[family]}/${family === 'v6' ? '128' : '32'}`;
      const open = () => net.alice.call('open', 'x', BRANCH[family], HERE, ALICE[family]);
      await net.gateway.ip(`address add ${own} dev lo`);
      await net.isDropped('denied_in', open);
      await net.gateway.ip(`address del ${own} dev lo`);
      await net.gateway.ip(`route add ${own} via ${RESOURCE[family]}`);
      await leadsTo(net.alice, ALICE[family], family, THERE);
      await net.gateway.ip(`route del ${own} via ${RESOURCE[family]}`);
      await up({ onward: false, routes: [] });
      await net.isDropped('denied_in', open);
    });

    it(`expired traffic is dropped, and leaves by no other route: ${family}`, async () => {
      const over = Date.now() - 1;
      await load(egress({ expiresAt: over }));
      await net.isDropped('denied_out', () => office.call('open', 'x', BRANCH[family], HERE, OFFICE[family]));
      await load({ ...egress(), leaseUntil: over });
      await net.isDropped('denied_out', () => office.call('open', 'x', BRANCH[family], HERE, OFFICE[family]));
    });

    it(`a strict reverse path filter like firewalld's passes all ways: ${family}`, async () => {
      await load({ ...sites(), ...egress() });
      await net.gateway.exec('sysctl', '-qw', 'net.ipv4.conf.lan0.rp_filter=1', 'net.ipv4.conf.lan1.rp_filter=1');
      const filter = 'add chain inet strict in { type filter hook prerouting priority raw + 10; }';
      const rule = 'add rule inet strict in iifname != "lo" fib saddr . mark . iif oif missing counter drop';
      await net.gateway.exec('nft', `add table inet strict; ${filter}; ${rule}`);
      try {
        await leadsTo(net.alice, ALICE[family], family, THERE);
        await leadsTo(office, OFFICE[family], family, THERE);
        assert.equal(await net.bob.call('ask', RESOURCE[family], 80, 'question', BRANCH[family]), 'question');
        assert.equal(await net.bob.call('ask', GATEWAY_LAN[family], 80, 'question', BRANCH[family]), 'question');
      } finally {
        await net.gateway.exec('nft', 'delete table inet strict');
        await net.gateway.exec('sysctl', '-qw', 'net.ipv4.conf.lan0.rp_filter=0', 'net.ipv4.conf.lan1.rp_filter=0');
      }
    });
  }
});

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { namespacesMissing, until } from '../testing/namespaces.ts';
import {
  ALICE,
  BOB,
  exampleState,
  FAR,
  GATEWAY_LAN,
  HOST,
  OTHER,
  OVERLAY,
  RESOURCE,
  Topology,
} from '../testing/topology.ts';
import type { FirewallState } from '../types.ts';

const skip = await namespacesMissing();

describe('firewall, with packets', { skip }, () => {
  const net = new Topology();
  before(async () => {
    await net.startFiltering();
  });
  after(() => net.stop());

  async function load(change: Partial<FirewallState> = {}): Promise<void> {
    const now = Date.now();
    await net.gateway.call('load', { ...exampleState(now), ...change }, now);
  }

  async function echoes(id: string, text: string): Promise<void> {
    const sofar = await net.alice.call('heard', id);
    await net.alice.call('say', id, text);
    await until(`echo of ${text}`, async () => (await net.alice.call('heard', id)) === sofar + text);
  }

  for (const family of ['v4', 'v6'] as const) {
    it(`passes allowed traffic: ${family}`, async () => {
      await net.alice.call('open', `ok${family}`, RESOURCE[family], 80);
      await net.alice.call('say', `ok${family}`, 'hello');
      await until('echo', async () => (await net.alice.call('heard', `ok${family}`)) === 'hello');
      assert.equal(await net.alice.call('ask', RESOURCE[family], 80, 'question'), 'question');
      await net.alice.exec('ping', '-c', '1', '-W', '3', RESOURCE[family]);
    });

    it(`drops traffic to other ports, hosts, devices, and the gateway's own services: ${family}`, async () => {
      await net.isDropped('denied_in', () => net.alice.call('open', 'x', RESOURCE[family], 81));
      await net.isDropped('denied_in', () => net.alice.call('open', 'x', OTHER[family], 80));
      await net.isDropped('denied_in', () => net.alice.call('ask', OTHER[family], 80, 'x'));
      await net.isDropped('denied_in', () => net.alice.call('open', 'x', GATEWAY_LAN[family], 80));
      await net.isDropped('denied_in', () =>
        net.alice.call('open', 'x', family === 'v4' ? '100.64.0.1' : 'fd7a:1::1', 80),
      );
      await net.isDropped('denied_in', () => net.alice.call('open', 'x', BOB[family], 81));
      await net.isDropped('denied_in', () => net.bob.call('open', 'x', RESOURCE[family], 80));
      await net.isDropped('denied_in', () => net.bob.exec('ping', '-c', '1', '-W', '2', RESOURCE[family]));
    });

    it(`drops flows that the gateway or the network begins to a device: ${family}`, async () => {
      await net.isDropped('denied_out', () => net.gateway.call('open', 'x', ALICE[family], 81));
      await net.isDropped('denied_out', () => net.resource.call('open', 'x', ALICE[family], 81));
    });
  }

  it('passes answers with any reverse path filter of the network interface', async () => {
    for (const strictness of [1, 2, 0]) {
      await net.gateway.exec('sysctl', '-qw', `net.ipv4.conf.lan0.rp_filter=${strictness}`);
      assert.equal(await net.alice.call('ask', RESOURCE.v4, 80, 'question'), 'question');
    }
  });

  it('drops device addresses as sources from the network, and passes other overlay addresses', async () => {
    const ping = ['ping', '-c', '1', '-W', '2', '-I'];
    for (const [family, length, flags] of [
      ['v4', 32, ''],
      ['v6', 128, 'nodad'],
    ] as const) {
      const stranger = family === 'v4' ? '100.100.0.99' : 'fd7a:1:0:100::99';
      const router = RESOURCE[family];
      await net.resource.ip(`
        address add ${stranger}/${length} dev lo ${flags}
        address add ${ALICE[family]}/${length} dev lo ${flags}`);
      await net.gateway.ip(`route add ${stranger} via ${router}`);
      const before = await net.dropped('spoofed');
      assert.ok(await net.resource.succeeds(...ping, stranger, GATEWAY_LAN[family]), `${stranger} is not a member`);
      assert.equal(await net.dropped('spoofed'), before);
      await net.isDropped('spoofed', () => net.resource.exec(...ping, ALICE[family], GATEWAY_LAN[family]));
      await net.resource.ip(`address del ${ALICE[family]}/${length} dev lo`);
      await net.gateway.ip(`route del ${stranger}`);
    }
    assert.ok(await net.resource.succeeds('ping', '-c', '1', '-W', '3', GATEWAY_LAN.v4), 'foreign traffic passes');
  });

  it("applies policies to the gateway's own addresses as to resources", async () => {
    const own = { id: 'own', ranges: [`${GATEWAY_LAN.v4}-${GATEWAY_LAN.v4}`, `${GATEWAY_LAN.v6}-${GATEWAY_LAN.v6}`] };
    const cells = ['web', 'own'].map((name) => ({ class: name, bundle: 'http', expiresAt: null }));
    const upsert = { classes: [own], profiles: [{ id: 'staff', cells }] };
    assert.equal(await net.gateway.call('change', { upsert }, Date.now()), 'changed');
    await net.alice.call('open', 'own4', GATEWAY_LAN.v4, 80);
    await net.alice.call('open', 'own6', GATEWAY_LAN.v6, 80);
    await echoes('own4', 'gateway');
    await net.isDropped('denied_in', () => net.alice.call('open', 'x', GATEWAY_LAN.v4, 81));
    await load();
  });

  for (const family of ['v4', 'v6'] as const) {
    it(`cuts a live flow in both directions when its grant ends: ${family}`, async () => {
      const id = `cut${family}`;
      await net.alice.call('open', id, RESOURCE[family], 8000);
      await until('ticks', async () => (await net.alice.call('heard', id)).length > 3);
      const ports = [{ protocol: 'tcp', from: 80, to: 80, policy: 'p-web' }] as const;
      const before = await net.dropped('denied_out');
      await net.gateway.call('change', { upsert: { bundles: [{ id: 'http', grants: ports }] } }, Date.now());
      await until('replies are dropped', async () => (await net.dropped('denied_out')) > before);
      const heard = await net.alice.call('heard', id);
      await net.isDropped('denied_in', async () => {
        await net.alice.call('say', id, 'still there?');
        await new Promise(() => {});
      });
      assert.equal(await net.alice.call('heard', id), heard, 'nothing more arrives');
      await net.alice.call('close', id);
      await load();
    });

    it(`passes path MTU errors to the device: ${family}`, async () => {
      const ping = `ping -M do -s 1400 -c 3 -i 0.2 -W 2 ${FAR[family]} 2>&1 || true`;
      const output = await net.alice.exec('sh', '-c', ping);
      assert.match(output, /mtu ?= ?1300|Packet too big: mtu=1300/);
      assert.match(output, / 100% packet loss/);
    });
  }

  it('refuses new flows while draining, and continues old ones', async () => {
    await net.alice.call('open', 'old', RESOURCE.v4, 80);
    await echoes('old', 'before');
    await net.gateway.call('change', { settings: { draining: true } }, Date.now());
    await echoes('old', 'after');
    for (const { v4, v6 } of [RESOURCE]) {
      await assert.rejects(net.alice.call('open', 'new', v4, 80), { code: 'EHOSTUNREACH' });
      await assert.rejects(net.alice.call('open', 'new', v6, 80), { code: 'EACCES' });
    }
    await net.gateway.call('change', { settings: { draining: false } }, Date.now());
    await net.alice.call('open', 'new', RESOURCE.v4, 80);
  });

  it('is closed after a flush of the ruleset, and reports the flush', async () => {
    await net.gateway.exec('nft', 'flush', 'ruleset');
    const outcomes: string[] = [];
    for (const address of [RESOURCE, GATEWAY_LAN, BOB].flatMap(({ v4, v6 }) => [v4, v6])) {
      net.alice.call('open', 'flushed', address, address === BOB.v4 || address === BOB.v6 ? 81 : 80).then(
        () => outcomes.push(`reached ${address}`),
        (error: NodeJS.ErrnoException) => outcomes.push(error.code ?? error.message),
      );
      const source = address.includes(':') ? ALICE.v6 : ALICE.v4;
      const route = net.gateway.exec('ip', 'route', 'get', address, 'from', source, 'iif', 'sp0');
      await assert.rejects(route, /Permission denied/, 'the kernel prohibits it');
    }
    await until(
      'refused in both families',
      async () => outcomes.includes('EHOSTUNREACH') && outcomes.includes('EACCES'),
    );
    assert.deepEqual([...new Set(outcomes)].sort(), ['EACCES', 'EHOSTUNREACH']);
    assert.deepEqual((await net.gateway.call('readBack', Date.now())).differences, ['the table does not exist']);
    const upsert = { classes: [{ id: 'more', ranges: ['10.77.0.0-10.77.0.255'] }] };
    assert.equal(await net.gateway.call('change', { upsert }, Date.now()), 'reloaded');
    await net.alice.call('open', 'mended', RESOURCE.v4, 80);
    assert.deepEqual((await net.gateway.call('readBack', Date.now())).differences, []);
  });

  it('stays closed after a flush of one of its chains', async () => {
    for (const chain of ['forward', 'input', 'twice_from_tunnel', 'from_tunnel', 'requests', 'granted']) {
      const table = await net.gateway.exec('nft', 'list', 'table', 'inet', 'sallyport_sp0');
      // The decision comes twice. Either copy of the chains admits what is granted.
      const copies = table
        .matchAll(new RegExp(`\\bchain (${chain}(?:_first)?(?:_[abc])?) `, 'g'))
        .map(([, name]) => name);
      for (const name of copies) await net.gateway.exec('nft', 'flush', 'chain', 'inet', 'sallyport_sp0', name ?? '');
      for (const { v4, v6 } of chain === 'input' ? [GATEWAY_LAN] : [RESOURCE]) {
        await net.isDropped('denied_in', () => net.alice.call('open', `emptied ${chain}`, v4, 80));
        await net.isDropped('denied_in', () => net.alice.call('open', `emptied ${chain}`, v6, 80));
      }
      await load();
      await net.alice.call('open', `mended ${chain}`, RESOURCE.v4, 80);
    }
  });

  it('drops what the first decision denies after a flush of the second one', async () => {
    const generated = /\bchain (from_tunnel_[abc]) /.exec(
      await net.gateway.exec('nft', 'list', 'table', 'inet', 'sallyport_sp0'),
    );
    await net.gateway.exec('nft', 'flush', 'chain', 'inet', 'sallyport_sp0', generated?.[1] ?? '');
    await net.alice.call('open', 'first', RESOURCE.v4, 80);
    await net.isDropped('denied_in', () => net.alice.call('open', 'denied', RESOURCE.v4, 81));
    await net.isDropped('denied_in', () => net.bob.call('open', 'denied', RESOURCE.v6, 80));
    await net.gateway.call('change', { settings: { leaseUntil: Date.now() - 1 } }, Date.now());
    await net.isDropped('denied_in', () => net.alice.call('open', 'lapsed', RESOURCE.v4, 80));
    await load();
  });

  it('limits the flows of one device', async () => {
    await net.gateway.call('firewall', { interface: 'sp0', overlay: OVERLAY, flowsPerAddress: 3 });
    await load();
    for (const id of ['l1', 'l2', 'l3']) await net.alice.call('open', id, RESOURCE.v4, 80);
    await net.isDropped('limit', () => net.alice.call('open', 'l4', RESOURCE.v4, 80));
    await echoes('l1', 'goes on');
    await net.alice.call('open', 'l6', RESOURCE.v6, 80);
    await net.gateway.call('firewall', { interface: 'sp0', overlay: OVERLAY });
    await load();
  });

  it("clamps the segment size to the tunnel's MTU", async () => {
    await net.gateway.call('hostUp', { ...HOST, mtu: 1300 });
    await net.alice.call('open', 'mss', RESOURCE.v4, 80);
    await echoes('mss', 'x');
    const sockets = await net.resource.exec('ss', '-tinH', 'state', 'established', 'sport', '=', ':80');
    assert.ok(/\bmss:1248\b/.test(sockets), sockets);
    await net.gateway.call('hostUp', HOST);
  });

  it('ends a time limit on time, even when the change was delayed', async () => {
    const now = Date.now();
    const end = now + 3_600_000;
    const alice = { id: 'alice', addresses: [ALICE.v4, ALICE.v6], profile: 'staff', expiresAt: end };
    const before = Array.from({ length: 20 }, () => load());
    await Promise.all([...before, net.gateway.call('change', { upsert: { devices: [alice] } }, now)]);
    const listed = Date.now();
    const table = await net.gateway.exec('nft', 'list', 'table', 'inet', 'sallyport_sp0');
    const [, expires = ''] = /100\.64\.0\.2 timeout \S+ expires (\w+)/.exec(table) ?? [];
    const units = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };
    const parts = [...expires.matchAll(/(\d+)(ms|[hms])/g)];
    const left = parts.reduce((sum, [, count, unit]) => sum + Number(count) * units[unit as keyof typeof units], 0);
    assert.notEqual(left, 0, table);
    assert.ok(listed + left - end < (listed - now) / 2, `${listed + left - end} ms late after ${listed - now} ms`);
    await load();
  });

  it('closes on time without an agent process', async () => {
    const now = Date.now();
    const state = exampleState(now);
    const alice = { id: 'alice', addresses: [ALICE.v4, ALICE.v6], profile: 'staff', expiresAt: now + 1500 };
    const devices = new Map(state.devices).set('alice', alice);
    const web = { class: 'web', bundle: 'http', expiresAt: now + 1500 };
    const profiles = new Map(state.profiles).set('guests', { id: 'guests', cells: [web] });
    await load({ devices, profiles });
    await net.alice.call('open', 'short', RESOURCE.v4, 8000);
    await net.bob.call('open', 'short', RESOURCE.v4, 8000);
    await until('ticks', async () => (await net.alice.call('heard', 'short')).length > 3);
    await net.gateway.killWorker();
    for (const device of [net.alice, net.bob]) {
      await until('the flow stops', async () => {
        const heard = await device.call('heard', 'short');
        await new Promise((resolve) => setTimeout(resolve, 50));
        return (await device.call('heard', 'short')) === heard;
      });
    }
    assert.ok(Date.now() >= now + 1500, 'not before its time');
    assert.match(await net.gateway.exec('nft', 'list', 'table', 'inet', 'sallyport_sp0'), /drop_denied_out/);
  });
});

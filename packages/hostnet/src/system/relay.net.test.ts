import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { Namespace, namespacesMissing, until } from '../testing/namespaces.ts';
import { checksumOffload, sendSegments } from '../testing/offload.ts';
import type { RelayPair, RelaySide } from '../types.ts';

const skip = await namespacesMissing();
/** Two ends and the relay between them. The relay has an address on each side. */
const A = { v4: '10.31.0.2', v6: 'fd31::2' } as const;
const B = { v4: '10.32.0.2', v6: 'fd32::2' } as const;
const RELAY_A = { v4: '10.31.0.1', v6: 'fd31::1' } as const;
const RELAY_B = { v4: '10.32.0.1', v6: 'fd32::1' } as const;
const FAMILIES = ['v4', 'v6'] as const;
/** The kernel counts time limits in whole ticks, rounded down: 10 ms at the slowest (CONFIG_HZ=100). */
const KERNEL_TICK_MS = 10;
const DATA = `04000000${'00'.repeat(28)}`;
const HANDSHAKE = `01000000${'00'.repeat(144)}`;

describe('relay in the kernel', { skip }, () => {
  const a = new Namespace('a');
  const relay = new Namespace('r');
  const b = new Namespace('b');
  let perl = false;

  before(async () => {
    await Promise.all([a, relay, b].map((space) => space.start()));
    perl = await a.succeeds('perl', '-MSocket=:all', '-e', '1');
    for (const [space, name, own, other] of [
      [a, 'ra', A, RELAY_A],
      [b, 'rb', B, RELAY_B],
    ] as const) {
      await relay.ip(`
        link add ${name} type veth peer name out netns ${space.name}
        address add ${other.v4}/24 dev ${name}
        address add ${other.v6}/64 dev ${name} nodad
        link set ${name} up`);
      await space.ip(`
        address add ${own.v4}/24 dev out
        address add ${own.v6}/64 dev out nodad
        link set out up
        route add default via ${other.v4}
        -6 route add default via ${other.v6}`);
    }
    await relay.exec('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
    await relay.exec('sysctl', '-qw', 'net.ipv4.conf.all.rp_filter=1');
    for (const [index, family] of FAMILIES.entries()) {
      await a.call('bind', family, A[family], 4000);
      await b.call('bind', family, B[family], 5000);
      await relay.call('bind', family, family === 'v4' ? '0.0.0.0' : '::', 52_001 + index);
    }
  });
  after(() => Promise.all([a, relay, b].map((space) => space.stop())));
  beforeEach(() => relay.call('relayRemove'));

  const side = (address: string, port: number, local: string): RelaySide => ({ address, port, local });

  function pair(family: 'v4' | 'v6', change: Partial<RelayPair> = {}): RelayPair {
    return {
      id: `pair-${family}`,
      port: family === 'v4' ? 52_001 : 52_002,
      a: side(A[family], 4000, RELAY_A[family]),
      b: side(B[family], 5000, RELAY_B[family]),
      bytesPerSecond: 100_000_000,
      expiresAt: null,
      ...change,
    };
  }

  const apply = (pairs: readonly RelayPair[]) => relay.call('relayApply', pairs, Date.now());
  const count = async (space: Namespace, id: string) => (await space.call('datagrams', id)).length;

  /** Sends until one more datagram has arrived there, and resolves with it. */
  async function arrives(at: Namespace, id: string, send: () => Promise<void>) {
    const before = await count(at, id);
    await send();
    await until('a datagram', async () => (await count(at, id)) > before);
    return (await at.call('datagrams', id)).at(-1);
  }

  for (const family of FAMILIES) {
    const { port } = pair(family);
    const fromA = (hex: string) => a.call('send', family, hex, RELAY_A[family], port);
    const fromB = (hex: string) => b.call('send', family, hex, RELAY_B[family], port);

    it(`forwards data both ways, from the relay's own port: ${family}`, async () => {
      assert.deepEqual([...(await apply([pair(family)]))], [`pair-${family}`]);
      const there = await arrives(b, family, () => fromA(DATA));
      assert.deepEqual(there, { from: RELAY_B[family], port, hex: DATA });
      const back = await arrives(a, family, () => fromB(`${DATA}aa`));
      assert.deepEqual(back, { from: RELAY_A[family], port, hex: `${DATA}aa` });
      const counted = (await relay.call('relayCounters')).get(`pair-${family}`);
      assert.deepEqual([counted?.fromA.packets, counted?.fromB.packets], [1, 1]);
      assert.deepEqual(await relay.call('relayVerify', Date.now()), []);
    });

    it(`leaves handshakes and unknown sources to the socket: ${family}`, async () => {
      await apply([pair(family)]);
      const before = await count(b, family);
      assert.equal((await arrives(relay, family, () => fromA(HANDSHAKE)))?.hex, HANDSHAKE);
      assert.equal((await arrives(relay, family, () => fromB('0400')))?.hex, '0400', 'too short for data');
      await a.call('bind', `other-${family}`, A[family], 0);
      const stranger = () => a.call('send', `other-${family}`, DATA, RELAY_A[family], port);
      assert.equal((await arrives(relay, family, stranger))?.hex, DATA);
      const elsewhere = () => a.call('send', family, DATA, RELAY_B[family], port);
      assert.equal((await arrives(relay, family, elsewhere))?.hex, DATA, 'arrived at another address');
      assert.equal(await count(b, family), before);
    });

    it(`keeps checksums right, with and without offload: ${family}`, async (t) => {
      if (!perl) return t.skip('needs perl');
      const options = { from: A[family], fromPort: 4001, to: RELAY_A[family], toPort: port, size: 1200, count: 40 };
      await apply([pair(family, { a: side(A[family], 4001, RELAY_A[family]) })]);
      for (const [sender, middle] of [
        [true, true],
        [false, true],
        [true, false],
        [false, false],
      ] as const) {
        await checksumOffload(a, 'out', sender);
        await checksumOffload(relay, 'rb', middle);
        const before = await count(b, family);
        await sendSegments(a, options);
        await until(`40 datagrams (${sender}, ${middle})`, async () => (await count(b, family)) === before + 40);
      }
      await checksumOffload(a, 'out', true);
      await checksumOffload(relay, 'rb', true);
    });

    it(`limits the rate of a pair: ${family}`, async () => {
      await apply([pair(family, { bytesPerSecond: 2000 })]);
      const before = await count(b, family);
      for (let index = 0; index < 200; index++) await fromA(DATA);
      const counted = (await relay.call('relayCounters')).get(`pair-${family}`)?.fromA.packets ?? 0;
      assert.ok(counted > 10 && counted < 100, `${counted} packets`);
      await until('those to arrive', async () => (await count(b, family)) === before + counted);
    });

    it(`changes without a gap, and ends on time: ${family}`, async () => {
      await apply([pair(family)]);
      await arrives(b, family, () => fromA(DATA));
      await b.call('bind', `moved-${family}`, B[family], 0);
      const moved = await arrives(relay, family, () =>
        b.call('send', `moved-${family}`, HANDSHAKE, RELAY_B[family], port),
      );
      const end = Date.now() + 5_000;
      await apply([pair(family, { b: side(B[family], moved?.port ?? 0, RELAY_B[family]), expiresAt: end })]);
      await arrives(b, `moved-${family}`, () => fromA(DATA));
      assert.equal((await relay.call('relayCounters')).get(`pair-${family}`)?.fromA.packets, 2, 'goes on counting');
      const atSocket = await count(relay, family);
      await until('data at the socket', async () => {
        await fromA(DATA);
        return (await count(relay, family)) > atSocket;
      });
      assert.ok(Date.now() >= end - KERNEL_TICK_MS, 'not before its time');
      assert.deepEqual(await relay.call('relayVerify', Date.now()), []);
      assert.deepEqual([...(await apply([pair(family, { expiresAt: end })]))], []);
    });
  }

  it('holds many pairs, and a pair with an unknown end', async () => {
    const many = Array.from({ length: 500 }, (_, index) =>
      pair('v4', { id: `many-${index}`, port: 53_000 + index, a: side(A.v4, 6000 + index, RELAY_A.v4) }),
    );
    const fast = pair('v4', { bytesPerSecond: Number.MAX_SAFE_INTEGER });
    const ids = await apply([...many, fast, pair('v6', { b: null })]);
    assert.equal(ids.size, 501);
    await arrives(b, 'v4', () => a.call('send', 'v4', DATA, RELAY_A.v4, 52_001));
    await apply([...many.slice(1), pair('v4')]);
    assert.deepEqual(await relay.call('relayVerify', Date.now()), []);
  });

  it('detects and repairs foreign changes', async () => {
    const table = 'inet sallyport-relay_sp0';
    for (const [command, difference] of [
      [`delete element ${table} to_port { ${0x50000000 + 52_001 * 2} }`, /relay to_port: .* is not as wanted/],
      [`flush chain ${table} way4`, /chain way4 is not as loaded/],
      [`delete table ${table}`, /does not exist/],
    ] as const) {
      await apply([pair('v4')]);
      await relay.exec('nft', command);
      assert.match((await relay.call('relayVerify', Date.now()))[0] ?? '', difference);
      await apply([pair('v4')]);
      assert.deepEqual(await relay.call('relayVerify', Date.now()), []);
      await arrives(b, 'v4', () => a.call('send', 'v4', DATA, RELAY_A.v4, 52_001));
    }
  });

  it('names foreign chains that would drop forwarded packets', async () => {
    assert.deepEqual(await relay.call('relayObstacles'), []);
    await relay.exec(
      'nft',
      'add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }',
    );
    assert.deepEqual(await relay.call('relayObstacles'), ['chain FORWARD of table ip filter drops what is forwarded']);
    await relay.exec('nft', 'delete table ip filter');
  });

  it('outlives the process, and the next process reuses it', async () => {
    await apply([pair('v4')]);
    await arrives(b, 'v4', () => a.call('send', 'v4', DATA, RELAY_A.v4, 52_001));
    await relay.killWorker();
    await arrives(b, 'v4', () => a.call('send', 'v4', DATA, RELAY_A.v4, 52_001));
    await relay.restartWorker();
    await apply([pair('v4'), pair('v6')]);
    assert.deepEqual(await relay.call('relayVerify', Date.now()), []);
    assert.equal((await relay.call('relayCounters')).get('pair-v4')?.fromA.packets, 2);
    await relay.call('relayRemove');
    assert.equal(await relay.exec('nft', 'list', 'ruleset'), '');
    await relay.call('relayRemove');
  });
});

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { evaluate, type PortRange, World, type WorldChange } from '@sallyport/policy';
import { type Host, until, whyNoNamespaces } from '@sallyport/testkit';
import { Scenario } from '../lab/scenario.ts';

/**
 * Overlapping resources under random policies, loaded through the API into the real gateway; every verdict that packets
 * meet must be the one that `evaluate` gives for the same world.
 */
test('packets meet the verdicts of evaluate: overlapping CIDRs, port ranges, denies above and below allows', {
  skip: whyNoNamespaces() ?? false,
}, async (t) => {
  const s = await Scenario.create();
  t.after(() => s.cleanup.run());
  const servers = await Promise.all((['web', 'printer'] as const).map((place) => s.world.host(place)));
  for (const server of servers) {
    for (const port of ports) {
      await server.listenTcp(port);
      await server.listenUdp(port);
    }
  }
  const laptop = await s.controller.addDevice('laptop');
  const resources = [];
  for (const shape of shapes)
    resources.push({ id: await s.resource(shape.name, shape.addresses, shape.ports), ...shape });
  // Something that is always allowed keeps the device a peer, whatever the rounds below deny.
  const anchor = await s.resource('anchor', ['10.20.0.1', 'fd20::1'], ['TCP 9']);
  await s.policy('anchor', { allDevices: true, resources: [anchor] });
  const everything = (text: string) => text.replace(/AllowedIPs = .*/, 'AllowedIPs = 10.20.0.0/24, fd20::/64');
  const device = await s.deviceUp('laptop', laptop, everything);

  const seed = randomInt(2 ** 31);
  t.diagnostic(`seed ${seed}`);
  const random = generator(seed);
  const met = new Set<boolean>();
  for (let round = 0; round < 4; round++) {
    const made: { id: string; allow: boolean; resources: string[] }[] = [];
    for (let n = 0; n < 4; n++) {
      const chosen = resources.filter(() => random() < 0.4).map((r) => r.id);
      const allow = random() < 0.6;
      const id = await s.policy(`p${n}`, { action: allow, devices: [laptop.id], resources: chosen });
      made.push({ id, allow, resources: chosen });
    }
    await s.converged();
    await until('the tunnel', async () => (await evaluateOpen(device)) !== 'unreachable');
    const world = World.empty(settings).with([
      ...worldOf(s, laptop.id, laptop.addresses, resources),
      ...made.map(policyOf),
    ]);
    const verdicts = await compare(
      device,
      world,
      s.gatewayId,
      laptop.id,
      `seed ${seed}, round ${round}: ${JSON.stringify(made)}`,
    );
    for (const verdict of verdicts) met.add(verdict);
    for (const { id } of made) await s.controller.call('deletePolicy', { params: { id } });
  }
  assert.equal(met.size, 2, 'both verdicts were met');
});

const settings = { overlay: { v4: '100.64.0.0/10', v6: 'fd00:ffff::/48' }, mtu: 1280 };
const ports = [7000, 7005, 7010];
const destinations = ['10.20.0.10', '10.20.0.11', 'fd20::10', 'fd20::11'];
const shapes = [
  { name: 'lan', addresses: ['10.20.0.0/24', 'fd20::/64'], ports: ['TCP 7000-7005', 'ICMP'] },
  { name: 'web', addresses: ['10.20.0.10', 'fd20::10'], ports: ['TCP 7005-7010', 'UDP 7000'] },
  { name: 'pair', addresses: ['10.20.0.10/31', 'fd20::10/127'], ports: ['UDP 7000-7010'] },
  { name: 'printer', addresses: ['10.20.0.11', 'fd20::11'], ports: ['TCP 7010', 'ICMP'] },
] as const;

/** Whether the tunnel stands is not told by a denied packet: the gateway's reject or silence is fine, no route is not. */
async function evaluateOpen(device: Host): Promise<string> {
  const answer = await device.ping('10.20.0.10', { timeoutMs: 200 });
  return /unreachable|Network is/.test(answer) && !/filtered/i.test(answer) ? 'unreachable' : 'there';
}

async function compare(device: Host, world: World, gateway: string, id: string, what: string): Promise<boolean[]> {
  const probes = destinations.flatMap((destination) => [
    ...ports.flatMap((port) => [
      { destination, protocol: 'tcp' as const, port },
      { destination, protocol: 'udp' as const, port },
    ]),
    { destination, protocol: 'icmp' as const, port: 0 },
  ]);
  const seen = await Promise.all(
    probes.map(async ({ destination, protocol, port }) => {
      if (protocol === 'icmp') return (await device.ping(destination, { timeoutMs: 1000 })) === 'ok';
      return (await device[protocol](destination, port, { timeoutMs: 1000 })) === 'ok';
    }),
  );
  const verdicts = probes.map((probe) => evaluate(world, { device: id, gateway, at: 0, ...probe }).allowed);
  const named = (list: readonly boolean[]) =>
    probes.map((p, i) => `${p.protocol} ${p.destination} ${p.port}: ${list[i]}`);
  assert.deepEqual(named(seen), named(verdicts), what);
  return verdicts;
}

function worldOf(
  s: Scenario,
  device: string,
  addresses: readonly string[],
  resources: readonly ((typeof shapes)[number] & { id: string })[],
): WorldChange[] {
  const gateway = { id: s.gatewayId, listenPort: 51820, addresses: [], intent: 'ACTIVE' as const, masquerade: true };
  return [
    { kind: 'gateway', id: gateway.id, value: gateway },
    { kind: 'device', id: device, value: { id: device, active: true, user: null, publicKey: '', addresses } },
    ...resources.map(
      ({ id, addresses, ports }): WorldChange => ({
        kind: 'resource',
        id,
        value: {
          id,
          type: 'PRIVATE',
          mode: 'MANUAL',
          gateways: [gateway.id],
          addresses: addresses.map((prefix) => ({ id: `${id} ${prefix}`, prefix, ports: ports.map(rangeOf) })),
        },
      }),
    ),
  ];
}

function rangeOf(text: string): PortRange {
  const [protocol = '', range] = text.toLowerCase().split(' ');
  const [from = 0, to = range === undefined ? 65535 : from] = (range ?? '').split('-').filter(Boolean).map(Number);
  return { protocol: protocol as PortRange['protocol'], from, to };
}

function policyOf(policy: { id: string; allow: boolean; resources: string[] }, order: number): WorldChange {
  const none = {
    allUsers: false,
    allGroups: false,
    allDevices: true,
    allResources: false,
    users: [],
    groups: [],
    devices: [],
    gateways: [],
  };
  return {
    kind: 'policy',
    id: policy.id,
    value: {
      ...none,
      id: policy.id,
      type: 'PRIVATE',
      order,
      allow: policy.allow,
      isDefault: false,
      resources: policy.resources,
      rule: { id: 'r', unrestricted: true },
    },
  };
}

/** Small seeded generator (mulberry32), so that a failing round can be played again. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

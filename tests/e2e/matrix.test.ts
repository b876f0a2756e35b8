import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { evaluate, type PortRange, World, type WorldChange, type WorldPolicy } from '@sallyport/policy';
import { type Host, until, whyNoNamespaces } from '@sallyport/testkit';
import type { TestDevice } from '../lab/controller-api.ts';
import { hasDnsmasq, startDnsmasq, virtualAddressesAt } from '../lab/names.ts';
import { Scenario } from '../lab/scenario.ts';
import { publicServer } from '../lab/small-internet.ts';

/**
 * Loads overlapping resources through the API into the real gateway, under random policies for devices, users and
 * groups with admission rules. Two names of one server are among them. Every verdict that packets meet must equal the verdict of `evaluate` for the same world.
 */
test('packets get the verdicts of evaluate for overlaps, names, denies, allows, users, groups and rules', {
  skip: whyNoNamespaces() ?? (hasDnsmasq ? false : 'needs dnsmasq'),
  timeout: 240_000,
}, async (t) => {
  const s = await Scenario.create();
  t.after(() => s.cleanup.run());
  const servers = await Promise.all((['web', 'printer', 'server'] as const).map((place) => s.world.host(place)));
  for (const server of servers) {
    for (const port of ports) {
      await server.listenTcp(port);
      await server.listenUdp(port);
    }
  }
  await serveNames(s);
  const people = await peopleOf(s);
  const rules = await rulesOf(s);
  const resources: MadeResource[] = [];
  for (const shape of shapes)
    resources.push({ id: await s.resource(shape.name, shape.addresses, shape.ports), ...shape });
  // A permanent allow keeps the devices as peers, whatever the rounds below deny.
  const anchor = await s.resource('anchor', ['10.20.0.1', 'fd20::1'], ['TCP 9']);
  await s.policy('anchor', { allDevices: true, resources: [anchor] });
  const virtual = await namesInForce(s);
  const ways = ['10.20.0.0/24', 'fd20::/64', ...[...virtual.values()].flat().map(whole)];
  const everything = (text: string) => text.replace(/AllowedIPs = .*/, `AllowedIPs = ${ways.join(', ')}`);
  const hosts = await Promise.all(people.map(({ place, device }) => s.deviceUp(place, device, everything)));

  const seed = randomInt(2 ** 31);
  t.diagnostic(`seed ${seed}`);
  const random = generator(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const subjects = [
    ...people.flatMap(({ device, user, group }) => [{ devices: [device.id] }, { users: [user] }, { groups: [group] }]),
    { allUsers: true },
    { allGroups: true },
    { allDevices: true },
  ];
  const met = new Map([true, false].map((verdict) => [verdict, 0]));
  for (let round = 0; round < 5; round++) {
    const made: MadePolicy[] = [];
    for (let n = 0; n < 5; n++) {
      const chosen = resources.filter(() => random() < 0.5).map((r) => r.id);
      const allow = random() < 0.75;
      const rule = allow ? pick(rules) : undefined;
      const subject = pick(subjects);
      const body = { action: allow, resources: chosen, ...subject, ...(rule && { rule: rule.id }) };
      made.push({ id: await s.policy(`p${n}`, body), allow, resources: chosen, subject, rule: rule?.id ?? builtIn });
    }
    await s.converged();
    for (const host of hosts) await until('the tunnel', async () => (await tunnelOf(host)) !== 'unreachable');
    const world = World.empty(settings).with([...worldOf(s, people, rules, resources, virtual), ...made.map(policyOf)]);
    for (const [index, { device }] of people.entries()) {
      const what = `seed ${seed}, round ${round}, device ${index}: ${JSON.stringify({ made, rules })}`;
      const targets = [...destinations, ...[...virtual.values()].flat()];
      for (const verdict of await compare(hosts[index] as Host, world, s.gatewayId, device.id, targets, what)) {
        met.set(verdict, (met.get(verdict) ?? 0) + 1);
      }
    }
    for (const { id } of made) await s.controller.call('deletePolicy', { params: { id } });
  }
  t.diagnostic(`${met.get(true)} allowed, ${met.get(false)} denied`);
  assert.ok(
    [...met.values()].every((count) => count > 0),
    'both verdicts were met',
  );
});

const builtIn = 'built-in';
const settings = { overlay: { v4: '100.64.0.0/11', v6: 'fd00:ffff::/48' }, mtu: 1280, timeZone: 'UTC', beacons: [] };
const ports = [7000, 7005, 7010];
const destinations = ['10.20.0.10', '10.20.0.11', 'fd20::10', 'fd20::11'];
const shapes = [
  { name: 'lan', addresses: ['10.20.0.0/24', 'fd20::/64'], ports: ['TCP 7000-7005', 'ICMP'] },
  { name: 'web', addresses: ['10.20.0.10', 'fd20::10'], ports: ['TCP 7005-7010', 'UDP 7000'] },
  { name: 'pair', addresses: ['10.20.0.10/31', 'fd20::10/127'], ports: ['UDP 7000-7010'] },
  { name: 'printer', addresses: ['10.20.0.11', 'fd20::11'], ports: ['TCP 7010', 'ICMP'] },
  { name: 'all', addresses: ['10.20.0.11', 'fd20::10'], ports: ['ALL'] },
  { name: 'wiki', addresses: ['wiki.corp.example'], ports: ['TCP 7000-7005', 'ICMP'] },
  { name: 'docs', addresses: ['docs.corp.example', '10.20.0.11'], ports: ['TCP 7005', 'UDP 7010'] },
  { name: 'names', addresses: ['wiki.corp.example', 'docs.corp.example'], ports: ['UDP 7000-7010'] },
] as const;
/** Real addresses of all names. No resource has them, because a deny of them would end the names. */
const [real4, real6] = publicServer.near;

type Virtual = ReadonlyMap<string, readonly string[]>;

const whole = (address: string): string => `${address}/${address.includes(':') ? 128 : 32}`;

/** Lets the gateway resolve two names to one server. */
async function serveNames(s: Scenario): Promise<void> {
  const records = ['wiki', 'docs'].map((name) => `${name}.corp.example,${real4},${real6}`);
  await startDnsmasq(s.world, 'web', '10.20.0.10', records);
  const body = { name: 'office', wireguardPort: '51820', endpoint: '203.0.113.20' };
  await s.controller.call('updateGateway', {
    params: { id: s.gatewayId },
    body: { ...body, dnsServers: [{ address: '10.20.0.10' }] },
  });
}

/** Waits until the gateway translates all names, and returns their virtual addresses. */
async function namesInForce(s: Scenario): Promise<Virtual> {
  const table = ['inet', `sallyport_${s.gateway.interface}`];
  const virtual = await until('the names', async () => {
    const names = await virtualAddressesAt(s.gateway.stateDir);
    return names.size === 2 ? names : null;
  });
  await until('their translation', async () => {
    const found = (await s.world.space('gateway').exec('nft', 'list', 'table', ...table)).replace(/\s+/g, ' ');
    const targets = [...virtual.values()].flat().map((address) => [address, address.includes(':') ? real6 : real4]);
    return targets.every(([address, target]) => found.includes(`${address} : ${target}`));
  });
  return virtual;
}

type MadeResource = (typeof shapes)[number] & { readonly id: string };

interface Person {
  readonly place: 'laptop' | 'visitor';
  readonly device: TestDevice;
  readonly user: string;
  readonly email: string;
  readonly department: string;
  readonly group: string;
  readonly groupName: string;
}

/** Creates two users in separate groups, with a device each. */
function peopleOf(s: Scenario): Promise<Person[]> {
  const wanted = [
    { place: 'laptop', email: 'ada@example.test', department: 'Engineering', groupName: 'builders' },
    { place: 'visitor', email: 'bob@example.test', department: 'Sales', groupName: 'sellers' },
  ] as const;
  return Promise.all(
    wanted.map(async ({ place, email, department, groupName }) => {
      const group = await s.controller.call('createGroup', { body: { name: groupName, roles: [] } });
      const user = await s.controller.call('createUsers', { body: { email, groups: [group.id] } });
      assert.ok(!Array.isArray(user));
      await s.controller.call('updateUser', { params: { id: user.id }, body: { department } });
      const device = await s.controller.addDevice(place, user.id);
      return { place, device, user: user.id, email, department, group: group.id, groupName };
    }),
  );
}

interface MadeRule {
  readonly id: string;
  readonly source: string;
}

/** Conditions, some of which are met now; their results stay the same for hours. */
function rulesOf(s: Scenario): Promise<MadeRule[]> {
  const hour = new Date().getUTCHours();
  const clock = (hours: number) => `${String((hour + hours + 24) % 24).padStart(2, '0')}:00`;
  const open = `time.between('${clock(-2)}', '${clock(3)}')`;
  const closed = `time.between('${clock(6)}', '${clock(10)}')`;
  const sources = [
    "user.department == 'Engineering'",
    "'sellers' in groups",
    open,
    closed,
    `${closed} || user.email.endsWith('@example.test')`,
    `${open} && device.name == 'visitor'`,
    'posture.encrypted == true',
  ];
  return Promise.all(
    sources.map(async (source, index) => {
      const rule = {
        name: `rule ${index}`,
        rule: source,
        hasTimeConstraint: source.includes('time.'),
        timeZone: 'UTC',
      };
      const { id } = await s.controller.call('createAdmissionRule', { body: rule });
      return { id, source };
    }),
  );
}

/** Accepts a reject or silence of the gateway as a denial, but not a missing route. */
async function tunnelOf(device: Host): Promise<string> {
  const answer = await device.ping('10.20.0.10', { timeoutMs: 200 });
  return /unreachable|Network is/.test(answer) && !/filtered/i.test(answer) ? 'unreachable' : 'there';
}

async function compare(
  device: Host,
  world: World,
  gateway: string,
  id: string,
  targets: readonly string[],
  what: string,
): Promise<boolean[]> {
  const probes = targets.flatMap((destination) => [
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
  const verdicts = probes.map((probe) => evaluate(world, { device: id, gateway, at: Date.now(), ...probe }).allowed);
  const named = (list: readonly boolean[]) =>
    probes.map((p, i) => `${p.protocol} ${p.destination} ${p.port}: ${list[i]}`);
  assert.deepEqual(named(seen), named(verdicts), what);
  return verdicts;
}

function worldOf(
  s: Scenario,
  people: readonly Person[],
  rules: readonly MadeRule[],
  resources: readonly MadeResource[],
  virtual: Virtual,
): WorldChange[] {
  const gateway = {
    ...{ id: s.gatewayId, name: 'office', publicKey: null, listenPort: 51820, addresses: [], endpoints: [] },
    ...{
      intent: 'ACTIVE' as const,
      masquerade: true,
      mtu: null,
      relayEnabled: false,
      relayPorts: { from: 52000, to: 52999 },
    },
    ...{ failing: false, unreachable: [], drainUntil: null },
  };
  return [
    { kind: 'gateway', id: gateway.id, value: gateway },
    { kind: 'rule', id: builtIn, value: { id: builtIn, unrestricted: true, source: '', timeZone: null } },
    ...rules.map(({ id, source }): WorldChange => {
      return { kind: 'rule', id, value: { id, unrestricted: false, source, timeZone: 'UTC' } };
    }),
    ...people.flatMap(personOf),
    ...resources.map(
      ({ id, name, addresses, ports }): WorldChange => ({
        kind: 'resource',
        id,
        value: {
          id,
          name,
          type: 'PRIVATE',
          mode: 'MANUAL',
          gateways: [gateway.id],
          addresses: addresses.flatMap((address) =>
            (virtual.get(address)?.map(whole) ?? [address]).map((prefix) => ({
              ...{ id: `${id} ${address}`, prefix, ports: ports.flatMap(rangesOf) },
              ...(virtual.has(address) && { name: address }),
            })),
          ),
        },
      }),
    ),
  ];
}

function personOf({ place, device, user, email, department, group, groupName }: Person): WorldChange[] {
  const unknown = { appVersion: null, posture: {}, sourceIp: null, country: null, publicKey: '', endpoint: null };
  const plain = { native: false, entryGateway: null };
  const machine = { id: device.id, active: true, user, name: place, hardwareId: '', addresses: device.addresses };
  return [
    { kind: 'group', id: group, value: { id: group, name: groupName } },
    { kind: 'user', id: user, value: { id: user, active: true, email, department, attributes: {}, groups: [group] } },
    { kind: 'device', id: device.id, value: { ...machine, ...plain, ...unknown } },
  ];
}

function rangesOf(text: string): PortRange[] {
  if (text === 'ALL') return (['tcp', 'udp', 'icmp', 'other'] as const).map(allPorts);
  const [protocol = '', range] = text.toLowerCase().split(' ');
  const [from = 0, to = range === undefined ? 65535 : from] = (range ?? '').split('-').filter(Boolean).map(Number);
  return [{ protocol: protocol as PortRange['protocol'], from, to }];
}

function allPorts(protocol: PortRange['protocol']): PortRange {
  return { protocol, from: 0, to: 65535 };
}

interface MadePolicy {
  readonly id: string;
  readonly allow: boolean;
  readonly resources: readonly string[];
  readonly subject: Partial<WorldPolicy>;
  readonly rule: string;
}

function policyOf({ id, allow, resources, subject, rule }: MadePolicy, order: number): WorldChange {
  const flags = { allUsers: false, allGroups: false, allDevices: false, allResources: false, isDefault: false };
  const lists = { users: [], groups: [], devices: [], gateways: [], sourceIps: [], mode: null };
  const what = { id, type: 'PRIVATE', order, allow, resources, rule } as const;
  return { kind: 'policy', id, value: { ...flags, ...lists, ...what, ...subject } };
}

/** Seeded generator (mulberry32), so that a failing round can be repeated. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

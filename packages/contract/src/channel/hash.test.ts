import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StateHash, StateItem } from './index.ts';

type Kind = StateItem['kind'];

const uuid = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const publicKey = `${'A'.repeat(43)}=`;

/** One item of each kind with every field set, including optional fields. */
const samples: { readonly [K in Kind]: Extract<StateItem, { kind: K }> } = {
  gateway: {
    ...{ kind: 'gateway', key: 'gateway', listenPort: 51820, addresses: ['100.64.0.1/32', 'fd00::1/128'] },
    overlay: { v4: '100.64.0.0/11', v6: 'fd00::/48', names: '100.96.0.0/12' },
    ...{ mtu: 1420, masquerade: true, intent: 'MAINTENANCE' },
    ...{
      drainUntil: 1000,
      relayPorts: { from: 7000, to: 7010 },
      deniedRanges: ['10.0.0.9-10.0.0.9', '10.0.0.1-10.0.0.4'],
      dnsServers: [
        { address: '10.0.0.54', port: 53, domains: ['corp.example'] },
        { address: '10.0.0.53', port: 53, domains: [] },
      ],
      forwarding: true,
    },
  },
  client: {
    ...{ kind: 'client', key: 'client', addresses: ['fd00::7/128', '100.64.0.7/32'] },
    ...{ overlay: { v4: '100.64.0.0/11', v6: 'fd00::/48' }, mtu: 1280, localNetwork: 'OPEN', forwarding: true },
  },
  device: {
    ...{ kind: 'device', key: 'device/d', id: 'd', publicKey, addresses: ['fd00::9', '100.64.0.9'] },
    ...{ via: uuid(1), relay: '192.0.2.1:7000', profile: 'p', expiresAt: 1000 },
  },
  site: {
    ...{ kind: 'site', key: 'site/s', id: 's', prefixes: ['192.168.1.0/24', '10.0.0.0/8'], profile: 'p' },
    expiresAt: 1000,
  },
  class: { kind: 'class', key: 'class/c', id: 'c', ranges: ['10.0.0.5-10.0.0.9', '10.0.0.1-10.0.0.3'] },
  bundle: {
    ...{ kind: 'bundle', key: 'bundle/b', id: 'b' },
    grants: [
      { protocol: 'udp', from: 53, to: 53, policy: 'q' },
      { protocol: 'tcp', from: 80, to: 90, policy: 'p' },
    ],
  },
  profile: {
    ...{ kind: 'profile', key: 'profile/p', id: 'p' },
    cells: [
      { class: 'd', bundle: 'b', expiresAt: null },
      { class: 'c', bundle: 'b', expiresAt: 1000, after: [{ bundle: 'a', expiresAt: 2000 }], onward: true },
    ],
  },
  probe: { kind: 'probe', key: 'probe/a', id: 'a', resource: 'r', target: '10.0.0.1', port: 443 },
  beacon: { kind: 'beacon', key: 'beacon/1', id: '1', publicKey, endpoint: '192.0.2.1:3478' },
  peer: {
    ...{ kind: 'peer', key: `peer/${uuid(2)}`, id: uuid(2), name: 'Berlin', publicKey },
    ...{ addresses: ['fd00::1', '100.64.0.1'], endpoints: ['b.example:51820', 'a.example:51820'] },
    relays: [
      { gateway: uuid(4), endpoint: '192.0.2.9:7000' },
      { gateway: uuid(3), endpoint: '192.0.2.8:7000' },
    ],
    ...{ sources: ['192.168.1.0/24', '10.0.0.0/8'], standing: 'ACTIVE', unreachable: ['s', 'r'], expiresAt: 1000 },
  },
  route: {
    ...{ kind: 'route', key: 'route/10.0.0.1/32', id: '10.0.0.1/32', mode: 'MANUAL' },
    ...{ gateways: [uuid(3), uuid(2)], resources: ['s', 'r'], target: 443 },
  },
  resource: {
    ...{ kind: 'resource', key: 'resource/r', id: 'r', name: 'Wiki', denied: 'no policy names it' },
    ping: { tcp: [443, 80], icmp: true },
  },
  'relay-point': { kind: 'relay-point', key: `relay-point/${uuid(3)}`, id: uuid(3), endpoint: '192.0.2.9:7000' },
  relay: {
    ...{ kind: 'relay', key: 'relay/x', id: 'x', port: 7001, bytesPerSecond: 1_000_000, expiresAt: 1000 },
    peers: [
      { id: uuid(6), publicKey, endpoint: null },
      { id: uuid(5), publicKey, endpoint: '192.0.2.5:51820' },
    ],
  },
  egress: {
    ...{ kind: 'egress', key: 'egress/e', id: 'e', sources: ['192.168.1.0/24', '10.0.0.0/8'] },
    ...{ destinations: ['172.17.0.0/16', '172.16.0.0/16'], expiresAt: 1000 },
  },
  name: {
    ...{ kind: 'name', key: 'name/wiki.example', id: 'wiki.example', addresses: ['fd00::1', '100.96.0.1'] },
    resources: [
      { id: 's', probe: 'b', port: 443 },
      { id: 'r', probe: 'a', port: null },
    ],
  },
};

/** Hashes of the samples. They must never change, because other versions of agents and controllers compute them. */
const golden: Readonly<Record<Kind, string>> = {
  gateway: '1d2279c52f07cad82c674ec66c1c12511425b9aeb84ad82ba003e1bdaf3cd3f6',
  client: '8bdb52f2e0fc1a0cdea627c1eec6b5351f541d005fc1747bb2d46019731579bc',
  device: '6795cde1f3148aea5d23b79500314146da5bf3745b48d5cd9ee1900e88f7cb4b',
  site: '9e35ce4b13e4a3f58910b89377bed2c3f3bf052e73a3738ed85d08db3821834b',
  class: '4d1f0ad26efaddde86112e814cb79f1e2d0cbff4b72b60d93eaf9d217d8ed79a',
  bundle: '7ff325e05cfd75e2bf1ccd9ea3fee87e0bbd84e1ba8f1562826a3e8d592f2960',
  profile: 'b97a03e1278fdab8b74127396981e5b5dcca7dedb5a9ec2e7f1f1665f23e39cb',
  probe: '20ea5e671985e2824e1ba03eef96d8e8f581d757f290c4ba7e8990b28370a618',
  beacon: 'f34d073223ecffc0cbd19d2cb9e56d174a7373e26410a94c422ba8fd4afc0b03',
  peer: '6b262fdf876a42d95c8f340a7754ed723b9a14d54d2504573f09e0d6df9daa0d',
  route: 'c0d08a5b1ec6d4371edcd0915f65b53428e3be9157d045cd94b56b2750dd3571',
  resource: '162063d9a2cf9a279db59b9bedf5a3e6ac9fcf24bacdfa47803265c6c5ccd038',
  'relay-point': 'c64a28c705ee2a6ef1352f5cfc3f22a8e77bef4b75724a8eade43d6d5537e934',
  relay: 'b679a2e659919532b7af6ce851ac64d98d000a841d897153696fb3d33927a4fe',
  egress: '8c8909801227f98d2a689e8d16b9d287642ce1e6e844c1b9faadd1753e091251',
  name: '0'.repeat(64),
};

/** Hash of the client item without the optional field `localNetwork`. */
const goldenPlainClient = '32e636c7775dac59c2b30be2c99ec4c64ff5b14f6794e05510645c86965fdf0a';

/** Fields that may differ between states with the same hash. */
const notHashed = new Set([
  'gateway.drainUntil',
  'gateway.deniedRanges',
  'gateway.overlay.names',
  'gateway.dnsServers',
  'gateway.dnsServers.address',
  'gateway.dnsServers.port',
  'gateway.dnsServers.domains',
  'gateway.forwarding',
  'client.forwarding',
  'device.expiresAt',
  'site.expiresAt',
  'peer.expiresAt',
  'relay.expiresAt',
  'egress.expiresAt',
  'profile.cells.expiresAt',
  'profile.cells.after.bundle',
  'profile.cells.after.expiresAt',
  'profile.cells.onward',
  'route.target',
  'resource.ping.tcp',
  'resource.ping.icmp',
  'name.id',
  'name.addresses',
  'name.resources',
  'name.resources.id',
  'name.resources.probe',
  'name.resources.port',
]);

/** Lists in order of preference. The order of other lists has no meaning. */
const inOrder = new Set(['peer.endpoints', 'peer.relays', 'route.gateways']);

const hashOf = (item: unknown) => StateHash.of([item as StateItem]).toString();
const kinds = Object.keys(samples) as Kind[];
const schemaOf = (kind: Kind) => StateItem.options.find(({ shape }) => shape.kind.value === kind) ?? assert.fail(kind);

test('the samples are valid and set every field of every kind', () => {
  assert.deepEqual(kinds.sort(), StateItem.options.map(({ shape }) => shape.kind.value).sort());
  for (const kind of kinds) {
    assert.deepEqual(StateItem.parse(samples[kind]), samples[kind]);
    assert.deepEqual(Object.keys(samples[kind]).sort(), Object.keys(schemaOf(kind).shape).sort(), kind);
  }
});

test('the hash of an item never changes between versions', () => {
  for (const kind of kinds) assert.equal(hashOf(samples[kind]), golden[kind], kind);
  const { localNetwork: _, ...plain } = samples.client;
  assert.equal(hashOf(plain), goldenPlainClient);
});

test('every field of every item is part of the hash, except those listed here', () => {
  const seen = new Set<string>();
  for (const kind of kinds) {
    for (const { path, item } of mutations(samples[kind])) {
      const name = [kind, ...path.filter((step) => typeof step === 'string')].join('.');
      if (path[0] === 'kind' || path[0] === 'key') continue;
      seen.add(name);
      const same = hashOf(item) === hashOf(samples[kind]);
      assert.equal(same, notHashed.has(name), `${name} ${same ? 'is missing from' : 'is in'} the hash`);
    }
  }
  assert.deepEqual(
    [...notHashed].filter((name) => !seen.has(name)),
    [],
  );
});

test('reordering changes the hash only for lists in order of preference', () => {
  for (const kind of kinds)
    for (const [field, value] of Object.entries(samples[kind])) {
      if (!Array.isArray(value)) continue;
      assert.ok(value.length > 1, `the sample needs two ${kind}.${field}`);
      const turned = hashOf({ ...samples[kind], [field]: [...value].reverse() });
      assert.equal(turned !== hashOf(samples[kind]), inOrder.has(`${kind}.${field}`), `${kind}.${field}`);
    }
});

interface Mutation {
  /** Field names and list positions. */
  readonly path: readonly (string | number)[];
  readonly item: unknown;
}

/** Returns variants of a value: each with one part changed, and each list also with one element removed. */
function mutations(value: unknown): Mutation[] {
  if (Array.isArray(value)) {
    const changed = value.flatMap((part, index) =>
      mutations(part).map(({ path, item }) => ({ path: [index, ...path], item: value.with(index, item) })),
    );
    return [...changed, ...(value.length < 2 ? [] : [{ path: [], item: value.slice(1) }])];
  }
  if (typeof value === 'object' && value !== null)
    return Object.entries(value).flatMap(([field, part]) =>
      mutations(part).map(({ path, item }) => ({ path: [field, ...path], item: { ...value, [field]: item } })),
    );
  return [{ path: [], item: otherThan(value) }];
}

function otherThan(value: unknown): unknown {
  if (typeof value === 'number') return value + 1;
  if (typeof value === 'boolean') return !value;
  return value === null ? 'other' : `${value}x`;
}

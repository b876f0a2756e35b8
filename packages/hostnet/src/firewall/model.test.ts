import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseAddress, parsePrefix, parseRange, prefixRange } from '../ip.ts';
import { applyDelta, delta, state } from '../testing/arbitraries.ts';
import { Emulator, type Packet } from '../testing/emulator.ts';
import type { FirewallState } from '../types.ts';
import { FirewallModel, inOrder } from './model.ts';
import { policyCounter } from './state.ts';

const OPTIONS = { interface: 'sp0', overlay: { v4: '100.64.0.0/10', v6: 'fd7a:1::/48' } };

describe('model', () => {
  it('loads the whole table as golden text', () => {
    const golden = readFileSync(new URL('golden/load.nft', import.meta.url), 'utf8');
    assert.equal(new FirewallModel(OPTIONS).load(GOLDEN, 1000, null).swap, golden);
  });

  it('renders changes as golden text', () => {
    const model = new FirewallModel(OPTIONS);
    model.load(GOLDEN, 1000, null);
    const texts = inOrder(
      model.change(
        {
          settings: { draining: true, leaseUntil: 90_000 },
          upsert: {
            devices: [{ id: 'd1', addresses: ['100.64.0.2', 'fd7a:1::2'], profile: 'staff', expiresAt: 20_000 }],
            sites: [{ id: 'branch', prefixes: ['10.1.0.0/16'], profile: 'staff', expiresAt: 30_000 }],
            bundles: [
              { id: 'web', grants: [{ protocol: 'tcp', from: 80, to: 85, policy: 'pol_1' }] },
              { id: 'db', grants: [{ protocol: 'tcp', from: 85, to: 90, policy: 'pol_9' }] },
            ],
          },
          remove: { classes: ['lan'], sites: ['old'], egress: ['one'], profiles: ['entering'] },
        },
        2000,
      ),
    );
    assert.equal(texts.join('\n'), readFileSync(new URL('golden/change.nft', import.meta.url), 'utf8'));
  });

  it('decides according to the state after a load and after any sequence of deltas', () => {
    fc.assert(
      fc.property(state, fc.array(delta, { maxLength: 8 }), (first, deltas) => {
        const model = new FirewallModel(OPTIONS);
        const kernel = new Emulator();
        let wanted = first;
        let now = 0;
        kernel.commit(model.load(first, now, null).swap, now);
        checkDecisions(kernel, wanted, now);
        for (const change of deltas) {
          now += 4_000;
          const was = wanted;
          wanted = applyDelta(wanted, change);
          const { prepare, commit, cleanup } = model.change(change, now);
          if (prepare !== null) kernel.commit(prepare, now);
          if (prepare !== null) checkDecisions(kernel, was, now);
          const before = kernel.copy();
          if (commit !== null) kernel.commit(commit, now);
          checkDecisions(kernel, wanted, now);
          if (cleanup === null) continue;
          const halfway = kernel.withRangesOf(before);
          kernel.commit(cleanup, now);
          checkDecisions(kernel, wanted, now);
          checkNothingOpens(halfway, kernel.withRangesOf(before), kernel, now);
        }
        assert.deepEqual(sizes(kernel, now), freshSizes(wanted, now), 'no more elements than a fresh load makes');
      }),
      { numRuns: 50 },
    );
  });

  it('sets its timeouts again, after a load and after a change, for a kernel that took the text late', () => {
    fc.assert(
      fc.property(state, delta, (first, change) => {
        const model = new FirewallModel(OPTIONS);
        const kernel = new Emulator();
        const late = (texts: readonly string[], at: number) => {
          for (const text of texts) kernel.commit(text, at + 3_000);
          const again = model.retime(at + 3_000);
          if (again !== null) kernel.commit(again, at + 3_000);
        };
        late([model.load(first, 0, null).swap], 0);
        for (const now of [3_000, 6_000, 9_000]) checkDecisions(kernel, first, now);
        const wanted = applyDelta(first, change);
        late(inOrder(model.change(change, 10_000)), 10_000);
        for (const now of [13_000, 16_000, 19_000]) checkDecisions(kernel, wanted, now);
      }),
      { numRuns: 50 },
    );
  });

  it('renders no change for items that are already present', () => {
    fc.assert(
      fc.property(state, (wanted) => {
        const model = new FirewallModel(OPTIONS);
        model.load(wanted, 0, null);
        const items = <T>(map: ReadonlyMap<string, T>): T[] => [...map.values()].reverse();
        const { devices, sites, gateways, egress, classes, profiles, bundles, masquerade, draining, leaseUntil } =
          wanted;
        const upsert = {
          devices: items(devices),
          sites: items(sites),
          gateways: items(gateways),
          egress: items(egress),
          classes: items(classes),
          profiles: items(profiles),
          bundles: items(bundles),
        };
        assert.deepEqual(inOrder(model.change({ settings: { masquerade, draining, leaseUntil }, upsert }, 500)), []);
        assert.deepEqual(inOrder(model.change({ remove: { devices: ['nobody'] } }, 500)), []);
      }),
      { numRuns: 50 },
    );
  });

  it('removes networks at the host from the internet, and again when they change', () => {
    const internet = { id: 'internet', ranges: ['1.0.0.0-9.255.255.255', '2000::-2fff::'], internet: true };
    const classes = new Map([['internet', internet]]);
    const profiles = new Map([
      ['staff', { id: 'staff', cells: [{ class: 'internet', bundle: 'web', expiresAt: null }] }],
    ]);
    const state = { ...GOLDEN, classes, profiles, near: ['5.5.5.0/24', '2001:1::/64'] };
    const model = new FirewallModel(OPTIONS);
    const kernel = new Emulator();
    kernel.commit(model.load(state, 0, null).swap, 0);
    const open = (peer: string) =>
      kernel.decide({ device: peer.includes(':') ? 'fd7a:1::2' : '100.64.0.2', peer, protocol: 'tcp', port: 80 }, 0) !==
      null;
    assert.deepEqual(['5.5.4.255', '5.5.5.1', '5.5.6.0', '2001:1::5', '2001:2::5'].map(open), [
      ...[true, false, true],
      ...[false, true],
    ]);
    const near = ['5.5.5.128/25', '9.0.0.0/8'];
    for (const text of inOrder(model.change({ settings: { near } }, 0))) kernel.commit(text, 0);
    assert.deepEqual(['5.5.5.1', '5.5.5.200', '9.9.9.9', '2001:1::5'].map(open), [true, false, false, true]);
    assert.deepEqual(sizes(kernel, 0), freshSizes({ ...state, near }, 0));
    assert.deepEqual(inOrder(model.change({ settings: { near }, upsert: { classes: [internet] } }, 0)), []);
  });

  it('looks up site addresses while there are any, and recognises its own chains', () => {
    const model = new FirewallModel(OPTIONS);
    const asks = (text: string | null) => [
      ...(text ?? '').matchAll(/rule inet sallyport_sp0 marking .* (way_\w+?)_a/g),
    ];
    const none = { ...GOLDEN, sites: new Map(), egress: new Map() };
    assert.deepEqual(asks(model.load(none, 0, null).swap), []);
    for (const kind of ['sites', 'egress'] as const) {
      const items = [...GOLDEN[kind].values()];
      const come = inOrder(model.change({ upsert: { [kind]: items } }, 0)).join('');
      assert.deepEqual(
        asks(come).map(([, chain]) => chain),
        [kind === 'sites' ? 'way_back' : 'way_out'],
      );
      assert.equal(/^add chain inet sallyport_sp0 answering /m.test(come), kind === 'sites');
      assert.match(come, /^flush chain inet sallyport_sp0 marking$/m);
      assert.doesNotMatch(inOrder(model.change({ upsert: { [kind]: items.slice(0, 1) } }, 0)).join(''), /marking/);
      const gone = inOrder(model.change({ remove: { [kind]: items.map(({ id }) => id) } }, 0)).join('');
      assert.match(gone, /^flush chain inet sallyport_sp0 marking$/m);
      assert.deepEqual(asks(gone), []);
      assert.equal(/^delete chain inet sallyport_sp0 answering$/m.test(gone), kind === 'sites');
    }
  });

  it('touches only the elements that the change concerns', () => {
    const model = new FirewallModel(OPTIONS);
    const devices = Array.from({ length: 2000 }, (_, index) => ({
      id: `d${index}`,
      addresses: [`100.64.${index >> 8}.${index & 255}`],
      profile: 'staff',
      expiresAt: null,
    }));
    model.load({ ...GOLDEN, devices: new Map(devices.map((device) => [device.id, device])) }, 0, null);
    const text = inOrder(model.change({ remove: { devices: ['d7'] } }, 0)).join('');
    assert.deepEqual(text.trimEnd().split('\n'), [
      'add element inet sallyport_sp0 devices4_a { 100.64.0.7 : 0x10000001 }',
      'delete element inet sallyport_sp0 devices4_a { 100.64.0.7 }',
    ]);
    assert.ok(
      inOrder(model.change({ settings: { leaseUntil: 99_000 } }, 0)).join('').length < 300,
      'renewing a lease is small',
    );
  });

  it('refuses contradictions, and then needs a load', () => {
    const model = new FirewallModel(OPTIONS);
    model.load(GOLDEN, 0, null);
    const twin = { id: 'twin', addresses: ['100.64.0.2'], profile: 'staff', expiresAt: null };
    assert.throws(() => model.change({ upsert: { devices: [twin] } }, 0), { code: 'invalid-state' });
    assert.throws(() => model.change({}, 0), { code: 'invalid-state' });
    model.load(GOLDEN, 0, null);
    assert.deepEqual(inOrder(model.change({}, 0)), []);
  });

  it('refuses text that nft would misread', () => {
    const model = new FirewallModel(OPTIONS);
    const evil = ['1.1.1.1 }', '::1; flush ruleset', '01.1.1.1', '1.1.1', 'host', '', '1.1.1.1\n', 'fe80::1%eth0'];
    for (const address of evil) {
      const device = { id: 'x', addresses: [address], profile: 'p', expiresAt: null };
      assert.throws(() => model.load({ ...GOLDEN, devices: new Map([['x', device]]) }, 0, null), {
        code: 'invalid-state',
      });
    }
    assert.throws(() => new FirewallModel({ ...OPTIONS, interface: 'a" drop' }), { code: 'invalid-state' });
    assert.match(policyCounter('x" } ; flush ruleset'), /^policy\.[A-Za-z0-9_-]+$/);
  });
});

const GOLDEN: FirewallState = {
  masquerade: true,
  draining: false,
  transit: { families: [4, 6], bridges: ['br0', 'docker0'], virtual: ['docker0'] },
  leaseUntil: 61_000,
  devices: new Map([
    ['d1', { id: 'd1', addresses: ['100.64.0.2', 'fd7a:1::2'], profile: 'staff', expiresAt: null }],
    ['d2', { id: 'd2', addresses: ['100.64.0.3'], profile: 'staff', expiresAt: 6000 }],
    ['gone', { id: 'gone', addresses: ['100.64.0.4'], profile: 'staff', expiresAt: 900 }],
    ['none', { id: 'none', addresses: ['100.64.0.5'], profile: null, expiresAt: null }],
  ]),
  sites: new Map([
    ['branch', { id: 'branch', prefixes: ['10.1.0.0/16', 'fd11::/32'], profile: 'staff', expiresAt: 9000 }],
    ['old', { id: 'old', prefixes: ['64.0.0.0/2'], profile: 'staff', expiresAt: null }],
    ['over', { id: 'over', prefixes: ['192.0.2.0/24'], profile: 'staff', expiresAt: 1000 }],
  ]),
  gateways: new Map([['next', { id: 'next', addresses: ['100.64.9.1', 'fd7a:1:9::1'], expiresAt: 8000 }]]),
  egress: new Map([
    ['one', { id: 'one', sources: ['10.7.0.0/16'], destinations: ['10.8.0.0/16', 'fd08::/16'], expiresAt: 9000 }],
    ['two', { id: 'two', sources: ['10.7.4.0/24', '100.64.0.0/9'], destinations: ['10.8.0.0/15'], expiresAt: null }],
  ]),
  classes: new Map([
    ['lan', { id: 'lan', ranges: ['10.0.0.0-10.0.0.255', 'fd00:0::0-fd00::ff'] }],
    ['one', { id: 'one', ranges: ['10.0.1.0-10.0.1.0'] }],
  ]),
  profiles: new Map([
    ['entering', { id: 'entering', cells: [{ class: 'lan', bundle: 'web', expiresAt: null, onward: true }] }],
    [
      'staff',
      {
        id: 'staff',
        cells: [
          { class: 'lan', bundle: 'web', expiresAt: null },
          {
            class: 'one',
            bundle: 'web',
            expiresAt: 3000,
            after: [
              { bundle: 'web', expiresAt: 4000 },
              { bundle: 'web', expiresAt: null },
            ],
          },
        ],
      },
    ],
  ]),
  bundles: new Map([
    [
      'web',
      {
        id: 'web',
        grants: [
          { protocol: 'tcp', from: 80, to: 90, policy: 'pol_1' },
          { protocol: 'udp', from: 0, to: 65535, policy: 'pol_2' },
          { protocol: 'icmp', from: 0, to: 65535, policy: 'pol_1' },
          { protocol: 'other', from: 0, to: 65535, policy: 'pol_2' },
        ],
      },
    ],
  ]),
};

const SITES = [
  '192.168.0.7',
  '192.168.1.255',
  '192.168.2.0',
  '100.63.255.255',
  '100.128.0.0',
  '100.64.9.9',
  'fd20::1',
  'fd7a:1::9',
];
const DEVICES = ['100.64.0.1', '100.64.0.2', '100.64.0.4', '100.64.0.9', 'fd7a:1::1', 'fd7a:1::3', ...SITES];
const SOURCES = ['10.6.255.255', '10.7.0.0', '10.7.4.9', '10.7.5.255', '10.8.0.0', '100.64.0.5', '9.9.9.9', 'fd07::1'];
const DESTINATIONS = [
  '10.8.0.0',
  '10.8.4.0',
  '10.8.7.255',
  '10.8.8.0',
  '10.9.0.0',
  '11.0.0.0',
  'fd08::1',
  'fd7a:1::1',
  'fe::1',
];
const PORTS = [0, 1, 22, 80, 81, 443, 999, 1000, 1001, 65534, 65535];

/** Returns every relevant packet, and with the packets every way in which a stale register could match. */
function checkDecisions(kernel: Emulator, wanted: FirewallState, now: number): void {
  for (const address of DEVICES) {
    for (const last of [0, 7, 8, 63, 64, 71, 128, 200, 255]) {
      const peer = address.includes(':') ? `fd00::${last.toString(16)}` : `10.0.0.${last}`;
      for (const protocol of ['tcp', 'udp'] as const) {
        for (const port of PORTS) check({ device: address, peer, protocol, port });
      }
      for (const protocol of ['icmp', 'other'] as const) check({ device: address, peer, protocol, port: 0 });
    }
  }

  for (const from of SOURCES) {
    for (const to of DESTINATIONS) {
      if (from.includes(':') !== to.includes(':')) continue;
      assert.equal(kernel.decideEgress(from, to, now), decideEgress(wanted, from, to, now), `${from} to ${to}`);
    }
  }

  function check(packet: Packet): void {
    const policy = decide(wanted, packet, now);
    assert.equal(kernel.decide(packet, now), policy && policyCounter(policy), JSON.stringify(packet));
  }
}

/** Checks that an element which waits for the end of a change opens nothing that the change closes. */
function checkNothingOpens(waiting: Emulator, atOnce: Emulator, after: Emulator, now: number): void {
  for (const device of DEVICES) {
    for (const last of [0, 7, 8, 64, 200]) {
      const peer = device.includes(':') ? `fd00::${last.toString(16)}` : `10.0.0.${last}`;
      for (const protocol of ['tcp', 'udp'] as const) {
        for (const port of PORTS) {
          const packet = { device, peer, protocol, port };
          const [open, closed, wanted] = [waiting, atOnce, after].map((kernel) => kernel.decide(packet, now));
          if (open !== closed) assert.equal(open, wanted, JSON.stringify(packet));
        }
      }
    }
  }
  for (const from of SOURCES) {
    for (const to of DESTINATIONS) {
      if (from.includes(':') !== to.includes(':')) continue;
      const [open, closed, wanted] = [waiting, atOnce, after].map((kernel) => kernel.decideEgress(from, to, now));
      if (open !== closed) assert.equal(open, wanted, `${from} to ${to}`);
    }
  }
}

function decide(wanted: FirewallState, packet: Packet, now: number): string | null {
  const alive = (until: number | null): boolean => until === null || until > now;
  if (!alive(wanted.leaseUntil)) return null;
  const device = [...wanted.devices.values()].find(({ addresses }) => addresses.includes(packet.device));
  const source = device && alive(device.expiresAt) ? device : siteOf(wanted, packet.device);
  if (!source || !alive(source.expiresAt) || source.profile === null) return null;
  const peer = parseAddress(packet.peer);
  const inside = (text: string): boolean => {
    const range = parseRange(text);
    return range.family === peer.family && range.first <= peer.value && peer.value <= range.last;
  };
  const found = [...wanted.classes.values()].find(({ ranges }) => ranges.some(inside));
  const cell = wanted.profiles.get(source.profile)?.cells.find((each) => each.class === found?.id);
  const open = cell && [cell, ...(cell.after ?? [])].find(({ expiresAt }) => alive(expiresAt));
  const grant = wanted.bundles
    .get(open?.bundle ?? '')
    ?.grants.find(({ protocol, from, to }) => protocol === packet.protocol && from <= packet.port && packet.port <= to);
  return grant?.policy ?? null;
}

function decideEgress(wanted: FirewallState, from: string, to: string, now: number): boolean {
  const alive = (until: number | null): boolean => until === null || until > now;
  if (!alive(wanted.leaseUntil) || inOverlay(from) || inOverlay(to)) return false;
  return [...wanted.egress.values()].some(
    ({ sources, destinations, expiresAt }) =>
      alive(expiresAt) && sources.some((prefix) => inside(prefix, from)) && destinations.some((p) => inside(p, to)),
  );
}

function inside(prefix: string, address: string): boolean {
  const { family, value } = parseAddress(address);
  const range = prefixRange(parsePrefix(prefix));
  return range.family === family && range.first <= value && value <= range.last;
}

function inOverlay(address: string): boolean {
  return inside(OPTIONS.overlay.v4, address) || inside(OPTIONS.overlay.v6, address);
}

function siteOf(wanted: FirewallState, address: string) {
  if (inOverlay(address)) return undefined;
  return [...wanted.sites.values()].find(({ prefixes }) => prefixes.some((prefix) => inside(prefix, address)));
}

function sizes(kernel: Emulator, now: number): Record<string, number> {
  const alive = [...kernel.maps].map(([name, map]) => {
    return [name, [...map.values()].filter(({ deadline }) => deadline > now).length];
  });
  return { ...Object.fromEntries(alive), counters: kernel.counters.size };
}

function freshSizes(wanted: FirewallState, now: number): Record<string, number> {
  const kernel = new Emulator();
  kernel.commit(new FirewallModel(OPTIONS).load(wanted, now, null).replace, now);
  return sizes(kernel, now);
}

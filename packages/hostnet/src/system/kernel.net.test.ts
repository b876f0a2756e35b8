import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import type { FirewallDelta, ItemKind } from '../firewall/state.ts';
import { applyDelta, delta, state } from '../testing/arbitraries.ts';
import { Namespace, namespacesMissing, until } from '../testing/namespaces.ts';
import { exampleState, OVERLAY } from '../testing/topology.ts';
import type { FirewallState, Profile } from '../types.ts';

const skip = await namespacesMissing();
const TABLE = ['inet', 'sallyport_sp0'];

describe('firewall, against the kernel', { skip }, () => {
  const space = new Namespace('k');
  before(async () => {
    await space.start();
    await space.call('firewall', { interface: 'sp0', overlay: OVERLAY });
  });
  after(() => space.stop());
  beforeEach(async () => {
    const out = { id: 'out', sources: ['10.9.0.0/24'], destinations: ['10.1.0.0/16'], expiresAt: null };
    await space.call('load', { ...exampleState(Date.now()), egress: new Map([['out', out]]) }, Date.now());
  });

  it('passes its own preflight, which leaves no trace', async () => {
    await space.call('remove');
    await space.call('preflight');
    assert.equal(await space.exec('nft', 'list', 'ruleset'), '');
    await space.call('remove');
  });

  it('matches the state exactly after any sequence of deltas', async () => {
    await fc.assert(
      fc.asyncProperty(state, fc.array(delta, { minLength: 1, maxLength: 5 }), async (first, deltas) => {
        let now = Date.now();
        let wanted = shift(first, now);
        await space.call('load', wanted, now);
        await agrees(wanted, now);
        for (const relative of deltas) {
          now = Date.now();
          const change = shiftDelta(relative, now);
          wanted = applyDelta(wanted, change);
          assert.notEqual(await space.call('change', change, now), 'reloaded', 'the kernel takes the delta');
          const touched = await space.call('readBackTouched', now);
          assert.deepEqual(touched.differences, []);
          await agrees(wanted, now);
        }
      }),
      { numRuns: 12, endOnFailure: true },
    );
  });

  it('removes ranges at the end of the address space, which nft accepts but does not delete', async () => {
    const last = { id: 'last', ranges: ['255.255.255.255-255.255.255.255', '10.9.0.78-10.9.0.78'] };
    const grants = [{ protocol: 'tcp', from: 65535, to: 65535, policy: 'p-web' }] as const;
    await space.call('change', { upsert: { classes: [last], bundles: [{ id: 'end', grants }] } }, Date.now());
    assert.deepEqual((await space.call('readBackTouched', Date.now())).differences, []);
    assert.equal(
      await space.call('change', { remove: { classes: ['last'], bundles: ['end'] } }, Date.now()),
      'changed',
    );
    assert.deepEqual((await space.call('readBackTouched', Date.now())).differences, []);
    assert.doesNotMatch(await space.exec('nft', 'list', 'ruleset'), /65535 :|255\.255\.255\.255 :/);
  });

  async function agrees(wanted: FirewallState, now: number): Promise<void> {
    const found = await space.call('readBack', now);
    assert.deepEqual(found.differences, []);
    assert.deepEqual(found.settings, { masquerade: wanted.masquerade, draining: wanted.draining });
    const items = ({
      devices,
      sites,
      gateways,
      egress,
      classes,
      profiles,
      bundles,
    }: Pick<FirewallState, ItemKind>): unknown[] =>
      [devices, sites, gateways, egress, classes, profiles, bundles].map((map) =>
        [...map.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
      );
    assert.deepEqual(items(found), items(wanted));
  }

  async function generation(): Promise<string> {
    return /map devices4_([abc]) /.exec(await space.exec('nft', '-t', 'list', 'table', ...TABLE))?.[1] ?? '?';
  }

  async function named(map: string): Promise<string> {
    return `${map}_${await generation()}`;
  }

  const tampering: readonly [string, string, RegExp, (found: Found) => boolean][] = [
    ['a device removed', 'delete element T devices4_G { 100.64.0.2 }', /is missing/, (f) => !f.devices.has('alice')],
    [
      'a device added',
      'add element T devices4_G { 100.64.0.9 : 0x10000001 }',
      /not ours/,
      (f) => !f.profiles.has('staff'),
    ],
    ['a site removed', 'delete element T site_profiles_G { 4000:1 }', /is missing/, (f) => !f.sites.has('branch')],
    ['a site widened', 'add element T sites4_G { 10.5.0.0/16 : 4000:1 }', /not ours/, (f) => !f.sites.has('branch')],
    [
      'a site promoted',
      'delete element T site_profiles_G { 4000:1 }; add element T site_profiles_G { 4000:1 : 0x10000001 }',
      /is mapped to/,
      (f) => !f.sites.has('branch'),
    ],
    [
      'egress taken out',
      'delete element T egress_pairs_G { 0x40000001 . 3000:1 }',
      /is missing/,
      (f) => !f.egress.has('out'),
    ],
    [
      'egress widened',
      'add element T egress_sources4_G { 10.5.0.0/16 : 0x40000001 }',
      /not ours/,
      (f) => !f.egress.has('out'),
    ],
    ['a range added', 'add element T classes4_G { 10.200.0.0/16 : 1000:1 }', /not ours/, (f) => !f.classes.has('web')],
    ['a port added', 'add element T tcp_ports_G { 5000-6000 : 2000:12 }', /not ours/, () => true],
    [
      'a cell removed',
      'delete element T cells_G { 0x10000001 . 1000:1 }',
      /is missing/,
      (f) => !f.profiles.has('staff'),
    ],
    ['a grant removed', 'delete element T allowed_G { 0x20000001 . 2000:1 }', /missing/, (f) => !f.bundles.has('http')],
    ['a lease removed', 'delete element T lease_G { 1 }', /is missing/, (f) => f.devices.size === 0],
    ['a rule added', 'insert rule T from_tunnel_G accept', /has 9 rules, not 8/, (f) => f.settings === null],
    ['a chain emptied', 'flush chain T guard', /has 0 rules/, (f) => f.settings === null],
    ['a chain added', 'add chain T mine', /chain mine is not ours/, (f) => f.settings === null],
    [
      'a rule replaced',
      'flush chain T broken_G; add rule T broken_G accept',
      /chain broken_[abc] has other rules/,
      (f) => f.settings === null,
    ],
  ];
  for (const [what, command, difference, consequence] of tampering) {
    it(`detects tampering: ${what}`, async () => {
      await space.exec(
        'nft',
        command.replaceAll(' T ', ` ${TABLE.join(' ')} `).replaceAll('_G', `_${await generation()}`),
      );
      const found = await space.call('readBack', Date.now());
      assert.match(found.differences.join('\n'), difference);
      assert.ok(consequence(found), 'the item is not found as wanted');
    });
  }

  it('detects an undone change without listing the table', async () => {
    const upsert = { devices: [{ id: 'carol', addresses: ['100.64.0.7'], profile: 'staff', expiresAt: null }] };
    await space.call('change', { upsert, remove: { classes: ['idle'] } }, Date.now());
    assert.deepEqual((await space.call('readBackTouched', Date.now())).differences, []);
    await space.exec('nft', 'delete', 'element', ...TABLE, await named('devices4'), '{ 100.64.0.7 }');
    const found = await space.call('readBackTouched', Date.now());
    assert.deepEqual(found.differences, ['devices4: 100.64.0.7 is missing']);
    assert.equal(found.devices.has('carol'), false);
    await space.exec('nft', 'add', 'element', ...TABLE, await named('devices4'), '{ 100.64.0.7 : 0x10000002 }');
    assert.match((await space.call('readBackTouched', Date.now())).differences[0] ?? '', /is mapped to 0x10000002/);
    await space.exec('nft', 'add', 'element', ...TABLE, await named('classes4'), '{ 10.9.0.77 : 1000:1 }');
    assert.match((await space.call('readBackTouched', Date.now())).differences.join(), /10.9.0.77 is not ours/);
  });

  it('applies a change although the old element has expired in the kernel', async () => {
    const now = Date.now();
    const brief = { id: 'brief', addresses: ['100.64.0.8'], profile: 'staff', expiresAt: now + 50 };
    await space.call('change', { upsert: { devices: [brief] } }, now);
    await until(
      'the element expires',
      async () => !(await space.exec('nft', 'list', 'ruleset')).includes('100.64.0.8'),
    );
    const upsert = { devices: [{ ...brief, expiresAt: null }] };
    assert.equal(await space.call('change', { upsert }, now), 'changed');
    assert.deepEqual((await space.call('readBack', now)).differences, []);
  });

  for (const days of [0.5, 1, 1.2, 8, 400, 1e6]) {
    it(`accepts a time limit of ${days} days`, async () => {
      const now = Date.now();
      const end = now + days * 86_400_000;
      const example = exampleState(now);
      const devices = [...example.devices.values()].map((device) => ({ ...device, expiresAt: end + 1 }));
      await space.call('load', { ...example, leaseUntil: end, devices: byId(devices) }, now);
      const profile = { id: 'guests', cells: [{ class: 'web', bundle: 'http', expiresAt: end + 1234 }] };
      assert.equal(await space.call('change', { upsert: { profiles: [profile] } }, now), 'changed');
      assert.deepEqual((await space.call('readBack', now)).differences, []);
      const left = [...(await space.exec('nft', '-j', 'list', 'ruleset')).matchAll(/"expires": (\d+)/g)];
      const wanted = Math.min(days, 9999) * 86_400;
      assert.equal(left.length, 6);
      for (const [, seconds] of left) assert.ok(Math.abs(Number(seconds) - wanted) < 30, `${seconds}`);
    });
  }

  it('replaces the table when the kernel refuses a delta', async () => {
    await space.exec('nft', 'delete', 'element', ...TABLE, await named('hosts4'), '{ 10.9.0.77 }');
    assert.equal(await space.call('change', { remove: { classes: ['idle'] } }, Date.now()), 'reloaded');
    assert.deepEqual((await space.call('readBack', Date.now())).differences, []);
  });

  it('loads over the remains of an interrupted load and of foreign changes', async () => {
    const [table, live] = [TABLE.join(' '), await generation()];
    for (const letter of ['a', 'b', 'c'].filter((each) => each !== live).slice(0, 1)) {
      await space.exec(
        'nft',
        `add map ${table} devices4_${letter} { type ipv4_addr : mark; }; add chain ${table} from_tunnel_${letter}`,
      );
    }
    await space.exec(
      'nft',
      `add chain ${table} extra { type filter hook input priority 3; }; add set ${table} s { type mark; }`,
    );
    await space.call('load', exampleState(Date.now()), Date.now());
    assert.deepEqual((await space.call('readBack', Date.now())).differences, []);
  });

  it('replaces a table whose chains have other hooks', async () => {
    const table = TABLE.join(' ');
    await space.exec(
      'nft',
      `delete chain ${table} output; add chain ${table} output { type filter hook output priority 7; }`,
    );
    await space.call('load', exampleState(Date.now()), Date.now());
    assert.deepEqual((await space.call('readBack', Date.now())).differences, []);
    assert.match(await space.exec('nft', 'list', 'chain', ...TABLE, 'output'), /hook output priority filter/);
  });

  it('reports foreign changes, and not its own changes', async () => {
    await space.call('watch');
    // The monitor is ready once it has reported a change.
    await until('the monitor runs', async () => {
      await space.exec('nft', 'add table inet other; delete table inet other');
      return (await space.call('foreignChanges')).some(({ kind }) => kind === 'elsewhere');
    });
    await space.call('load', exampleState(Date.now()), Date.now());
    await space.call('change', { settings: { draining: true } }, Date.now());
    assert.ok((await space.call('foreignChanges')).every(({ kind }) => kind === 'elsewhere'));
    await space.exec('nft', 'delete', 'element', ...TABLE, await named('devices4'), '{ 100.64.0.2 }');
    await reported('table', 1);
    await space.exec('nft', 'flush', 'ruleset');
    await reported('table', 2);
    await killMonitor();
    await reported('blind', 1);
    await until('the new monitor runs', async () => {
      await space.exec('nft', 'add table inet sallyport_sp0; delete table inet sallyport_sp0');
      return (await space.call('foreignChanges')).filter(({ kind }) => kind === 'table').length > 2;
    });
    await space.call('unwatch');
  });

  async function killMonitor(): Promise<void> {
    for (const pid of (await space.exec('ip', 'netns', 'pids', space.name)).trim().split('\n')) {
      const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '');
      if (name === 'nft\n') process.kill(Number(pid));
    }
  }

  async function reported(kind: string, times: number): Promise<void> {
    await until(`${kind} reported ${times} times`, async () => {
      return (await space.call('foreignChanges')).filter((change) => change.kind === kind).length === times;
    });
  }

  it("finds foreign chains that would drop the tunnel's traffic, and names a working fix", async () => {
    assert.deepEqual(await space.call('foreignDrops', 'sp0'), []);
    await space.exec(
      'nft',
      'add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }',
    );
    await space.exec('nft', 'add chain ip filter DOCKER-USER; add rule ip filter FORWARD jump DOCKER-USER');
    await space.exec(
      'nft',
      'add table inet fw; add chain inet fw in { type filter hook input priority 0; policy drop; }',
    );
    const drops = await space.call('foreignDrops', 'sp0');
    assert.deepEqual(drops.map(({ hook, table, chain }) => [hook, table, chain]).sort(), [
      ['forward', 'filter', 'FORWARD'],
      ['input', 'fw', 'in'],
    ]);
    const docker = drops.find(({ hook }) => hook === 'forward');
    assert.equal(docker?.fix, 'iptables -I DOCKER-USER -i sp0 -j ACCEPT; iptables -I DOCKER-USER -o sp0 -j ACCEPT');
    await space.exec(
      'nft',
      'add rule ip filter DOCKER-USER iifname sp0 accept; add rule ip filter DOCKER-USER oifname "sp*" accept',
    );
    await space.exec('nft', 'insert rule inet fw in iifname { "sp0", "sp1" } accept');
    assert.deepEqual(await space.call('foreignDrops', 'sp0'), []);
    await space.exec('nft', 'delete table ip filter; delete table inet fw');
  });

  it('holds the whole public internet as one class, and excludes ranges from it', async (t) => {
    const before = { id: 'public', ranges: publicRanges(300) };
    const cells = [{ class: 'public', bundle: 'http', expiresAt: null }];
    const profiles = new Map([['staff', { id: 'staff', cells }]]);
    const state = { ...exampleState(Date.now()), classes: new Map([['public', before]]), profiles };
    await space.call('load', state, Date.now());
    const started = performance.now();
    const upsert = { classes: [{ id: 'public', ranges: publicRanges(301) }] };
    assert.equal(await space.call('change', { upsert }, Date.now()), 'changed');
    const changed = performance.now();
    assert.deepEqual((await space.call('readBackTouched', Date.now())).differences, []);
    const found = await space.call('readBack', Date.now());
    assert.deepEqual([found.differences, found.classes.get('public')], [[], upsert.classes[0]]);
    t.diagnostic(`${before.ranges.length} ranges, one more hole in ${Math.round(changed - started)} ms`);
  });

  it('loads ten thousand devices and a thousand classes, and changes one of them', async (t) => {
    const now = Date.now();
    const large = largeState(now);
    const start = performance.now();
    await space.call('load', large, now);
    const loaded = performance.now();
    const moved = { id: 'd77', addresses: ['100.80.0.1'], profile: 'p3', expiresAt: now + 60_000 };
    assert.equal(await space.call('change', { upsert: { devices: [moved] } }, now), 'changed');
    const changed = performance.now();
    assert.deepEqual((await space.call('readBackTouched', now)).differences, []);
    const verified = performance.now();
    const found = await space.call('readBack', now);
    assert.deepEqual(found.differences, []);
    assert.deepEqual([found.devices.size, found.classes.size], [10_000, 1000]);
    const times = [start, loaded, changed, verified, performance.now()];
    const [load, change, touched, whole] = times.slice(1).map((time, index) => Math.round(time - (times[index] ?? 0)));
    t.diagnostic(`load ${load} ms, change ${change} ms, verify it ${touched} ms, read all back ${whole} ms`);
  });
});

type Found = Awaited<ReturnType<typeof import('../testing/worker.ts').methods.readBack>>;

/** The whole address space of both families except as many single addresses in each. */
function publicRanges(holes: number): string[] {
  const cut = (format: (n: number) => string, last: string): string[] => {
    const starts = Array.from({ length: holes + 1 }, (_, index) => index * 0x10000);
    return starts.map((start, index) => {
      const next = starts[index + 1];
      return `${format(start + 1)}-${next === undefined ? last : format(next - 1)}`;
    });
  };
  const v4 = (n: number): string => `${1 + (n >>> 24)}.${(n >>> 16) & 255}.${(n >>> 8) & 255}.${n & 255}`;
  const v6 = (n: number): string => {
    const [high, low] = [(n >>> 16).toString(16), (n & 0xffff).toString(16)];
    return high === '0' ? `2000::${low}` : `2000::${high}:${low}`;
  };
  return [...cut(v4, '255.255.255.255'), ...cut(v6, 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff')];
}

/** Ten thousand devices in ten profiles, and a thousand classes of two ranges, all of them in every profile. */
function largeState(now: number): FirewallState {
  const count = <T>(length: number, make: (index: number) => T & { id: string }): Map<string, T> =>
    new Map(Array.from({ length }, (_, index) => make(index)).map((item) => [item.id, item]));
  return {
    ...exampleState(now),
    devices: count(10_000, (i) => ({
      id: `d${i}`,
      addresses: [`100.64.${i >> 8}.${i & 255}`, `fd7a:1::${(i + 1).toString(16)}`],
      profile: `p${i % 10}`,
      expiresAt: i % 2 ? now + 3_000_000 : null,
    })),
    classes: count(1000, (i) => ({
      id: `c${i}`,
      ranges: [
        `10.${i >> 8}.${i & 255}.0-10.${i >> 8}.${i & 255}.99`,
        `fd00:${i.toString(16)}::-fd00:${i.toString(16)}::ff`,
      ],
    })),
    profiles: count(10, (i) => ({
      id: `p${i}`,
      cells: Array.from({ length: 1000 }, (_, k) => ({ class: `c${k}`, bundle: 'http', expiresAt: null })),
    })),
  };
}

/** Times of the generated state are relative. The shortest exceed a test run, so that nothing expires by chance. */
function shift(items: FirewallState, now: number): FirewallState {
  return {
    ...items,
    leaseUntil: items.leaseUntil + now,
    devices: byId(shiftItems([...items.devices.values()], now)),
    sites: byId(shiftItems([...items.sites.values()], now)),
    profiles: byId(shiftProfiles([...items.profiles.values()], now)),
  };
}

function shiftDelta({ settings, upsert, remove }: FirewallDelta, now: number): FirewallDelta {
  const { devices, sites, profiles } = upsert ?? {};
  return {
    ...(remove && { remove }),
    ...(settings && {
      settings: { ...settings, ...(settings.leaseUntil && { leaseUntil: settings.leaseUntil + now }) },
    }),
    ...(upsert && {
      upsert: {
        ...upsert,
        ...(devices && { devices: shiftItems(devices, now) }),
        ...(sites && { sites: shiftItems(sites, now) }),
        ...(profiles && { profiles: shiftProfiles(profiles, now) }),
      },
    }),
  };
}

function shiftProfiles(profiles: readonly Profile[], now: number): Profile[] {
  return profiles.map(({ id, cells }) => ({ id, cells: shiftItems(cells, now) }));
}

function shiftItems<T extends { readonly expiresAt: number | null }>(items: readonly T[], now: number): T[] {
  return items.map((item) => ({ ...item, expiresAt: later(item.expiresAt, now) }));
}

function byId<T extends { readonly id: string }>(items: readonly T[]): Map<string, T> {
  return new Map(items.map((item) => [item.id, item]));
}

function later(time: number | null, now: number): number | null {
  return time === null ? null : time + now + 60_000;
}

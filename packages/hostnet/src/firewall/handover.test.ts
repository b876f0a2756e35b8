import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Emulator } from '../testing/emulator.ts';
import type { AddressClass, FirewallState } from '../types.ts';
import { FirewallModel, inOrder } from './model.ts';
import type { FirewallDelta } from './state.ts';

const OPTIONS = { interface: 'sp0', overlay: { v4: '100.64.0.0/10', v6: 'fd7a:1::/48' } };
const DEVICE = '100.64.0.2';
const web = (id: string, ...ranges: string[]): AddressClass => ({ id, ranges });
const cell = (id: string, bundle = 'web') => ({ class: id, bundle, expiresAt: null });
const staff = (...cells: ReturnType<typeof cell>[]) => [{ id: 'staff', cells }];
const tcp = (id: string, from: number, to: number, policy = 'p') => ({
  id,
  grants: [{ protocol: 'tcp' as const, from, to, policy }],
});

const START: FirewallState = {
  masquerade: false,
  draining: false,
  leaseUntil: 60_000,
  devices: new Map([['d', { id: 'd', addresses: [DEVICE], profile: 'staff', expiresAt: null }]]),
  sites: new Map([['s', { id: 's', prefixes: ['10.1.0.0/16'], profile: 'staff', expiresAt: null }]]),
  gateways: new Map(),
  egress: new Map([
    ['one', { id: 'one', sources: ['10.7.0.0/16'], destinations: ['10.8.0.0/16'], expiresAt: null }],
    ['two', { id: 'two', sources: ['10.7.4.0/24'], destinations: ['10.8.0.0/16'], expiresAt: null }],
  ]),
  classes: new Map([
    ['host', web('host', '10.0.0.9-10.0.0.9')],
    ['range', web('range', '10.0.1.0-10.0.1.9')],
  ]),
  profiles: new Map([['staff', { id: 'staff', cells: [cell('host'), cell('range')] }]]),
  bundles: new Map([
    ['web', tcp('web', 80, 90)],
    ['one', tcp('one', 85, 85, 'other')],
  ]),
};

/** Applies a change, and returns the kernel at every moment of it. */
function moments(start: FirewallState, ...deltas: readonly FirewallDelta[]): Emulator[] {
  const model = new FirewallModel(OPTIONS);
  let kernel = new Emulator();
  kernel.commit(model.load(start, 0, null).swap, 0);
  const found: Emulator[] = [];
  for (const delta of deltas) {
    for (const text of inOrder(model.change(delta, 0))) {
      const earlier = kernel;
      kernel = kernel.copy();
      kernel.commit(text, 0);
      found.push(kernel.withRangesOf(earlier), kernel);
    }
  }
  return found;
}

describe('a packet whose access stays is admitted at every moment', () => {
  const always = (name: string, peer: string, port: number, ...deltas: readonly FirewallDelta[]): void => {
    it(name, () => {
      const packet = { device: DEVICE, peer, protocol: 'tcp', port } as const;
      const found = moments(START, ...deltas).map((kernel) => kernel.decide(packet, 0));
      assert.deepEqual(
        found,
        found.map(() => 'policy.p'),
      );
      assert.ok(found.length >= 2 * deltas.length);
    });
  };

  const wide = '10.0.0.0-10.0.0.255';
  always('while a range takes the place of a single address', '10.0.0.9', 80, {
    upsert: { classes: [web('host', wide)] },
  });
  always('while a range of a new class takes the place of a single address', '10.0.0.9', 80, {
    upsert: { classes: [web('wide', wide)], profiles: staff(cell('wide'), cell('range')) },
    remove: { classes: ['host'] },
  });
  always('while a range moves to a new class', '10.0.1.5', 80, {
    upsert: { classes: [web('wide', '10.0.1.0-10.0.1.255')], profiles: staff(cell('host'), cell('wide')) },
    remove: { classes: ['range'] },
  });
  always('while a range is divided between new classes', '10.0.1.5', 80, {
    upsert: {
      classes: [web('low', '10.0.1.0-10.0.1.4'), web('high', '10.0.1.5-10.0.1.9')],
      profiles: staff(cell('host'), cell('low'), cell('high')),
    },
    remove: { classes: ['range'] },
  });
  always('while ports are merged', '10.0.1.5', 85, { remove: { bundles: ['one'] } });
  const grown = { upsert: { bundles: [tcp('grown', 80, 99)], profiles: staff(cell('host'), cell('range', 'grown')) } };
  const shrunk = {
    upsert: { bundles: [tcp('shrunk', 85, 87)], profiles: staff(cell('host'), cell('range', 'shrunk')) },
  };
  always('while a range of ports grows', '10.0.1.5', 86, grown);
  always('while a range of ports grows and the old one goes', '10.0.0.9', 86, {
    upsert: { bundles: [tcp('grown', 70, 99)], profiles: staff(cell('host', 'grown'), cell('range', 'grown')) },
    remove: { bundles: ['web'] },
  });
  always('while a range of ports shrinks', '10.0.1.5', 86, shrunk);
  always('while a range of ports shrinks and the old one goes', '10.0.0.9', 86, {
    upsert: { bundles: [tcp('shrunk', 85, 87)], profiles: staff(cell('host', 'shrunk'), cell('range', 'shrunk')) },
    remove: { bundles: ['web'] },
  });

  it('while the networks of a connection between sites are merged', () => {
    const found = moments(START, { remove: { egress: ['two'] } });
    assert.deepEqual(
      found.map((kernel) => kernel.decideEgress('10.7.4.1', '10.8.0.1', 0)),
      found.map(() => true),
    );
  });
});

describe('an element that takes access away does not wait', () => {
  const never = (name: string, peer: string, port: number, delta: FirewallDelta): void => {
    it(name, () => {
      const packet = { device: DEVICE, peer, protocol: 'tcp', port } as const;
      const found = moments(START, delta).map((kernel) => kernel.decide(packet, 0));
      assert.ok(!found.includes('policy.p'), found.join());
    });
  };
  const lost = { remove: { classes: ['host', 'range'] } };

  never('when the new range has no cell', '10.0.1.5', 80, {
    ...lost,
    upsert: { classes: [web('wide', '10.0.1.0-10.0.1.255')], profiles: staff() },
  });
  never('when the new range covers only a part', '10.0.1.9', 80, {
    ...lost,
    upsert: { classes: [web('low', '10.0.1.0-10.0.1.8')], profiles: staff(cell('low')) },
  });
  never('when the new range has another bundle', '10.0.1.5', 80, {
    ...lost,
    upsert: { classes: [web('wide', '10.0.1.0-10.0.1.255')], profiles: staff(cell('wide', 'one')) },
  });
  it('when another range loses access at the same moment', () => {
    const packet = { device: DEVICE, peer: '10.0.1.5', protocol: 'tcp', port: 85 } as const;
    const lose: FirewallDelta = {
      upsert: { classes: [web('range', '10.0.1.0-10.0.1.4')] },
      remove: { bundles: ['one'] },
    };
    assert.deepEqual(
      moments(START, lose).map((kernel) => kernel.decide(packet, 0)),
      [null, null],
    );
    const peer = '10.0.0.9';
    assert.deepEqual(
      moments(START, lose).map((kernel) => kernel.decide({ ...packet, peer, port: 80 }, 0)),
      ['policy.p', 'policy.p'],
    );
  });
  never('when a single address moves into a range without access', '10.0.0.9', 80, {
    ...lost,
    upsert: { classes: [web('wide', '10.0.0.0-10.0.0.255')], profiles: staff() },
  });
  never('when a single address moves into a range, and its old cell remains', '10.0.0.9', 80, {
    ...lost,
    upsert: { classes: [web('wide', '10.0.0.0-10.0.0.255')], profiles: staff(cell('host')) },
  });
});

const classIds = ['c0', 'c1', 'c2'] as const;
const layout = fc.record({
  owners: fc.array(fc.option(fc.constantFrom(...classIds)), { minLength: 8, maxLength: 8 }),
  cells: fc.array(fc.option(fc.constantFrom('web', 'one')), { minLength: 3, maxLength: 3 }),
});
type Layout = typeof layout extends fc.Arbitrary<infer T> ? T : never;

/** Returns the change that gives each of eight addresses its class, and each class its bundle. */
function changeTo({ owners, cells }: Layout): FirewallDelta {
  const ranges = (id: string): string[] => {
    const ends: [number, number][] = [];
    owners.forEach((owner, i) => {
      if (owner !== id) return;
      const last = ends.at(-1);
      if (last?.[1] === i - 1) last[1] = i;
      else ends.push([i, i]);
    });
    return ends.map(([first, last]) => `10.0.0.${first}-10.0.0.${last}`);
  };
  const used = classIds.filter((id) => owners.includes(id));
  return {
    upsert: {
      classes: used.map((id) => web(id, ...ranges(id))),
      profiles: staff(...classIds.flatMap((id, i) => (cells[i] == null ? [] : [cell(id, cells[i])]))),
    },
    remove: { classes: classIds.filter((id) => !used.includes(id)) },
  };
}

it('takes access away in the first transaction, and opens nothing on the way', () => {
  fc.assert(
    fc.property(fc.array(layout, { minLength: 2, maxLength: 4 }), (layouts) => {
      const model = new FirewallModel(OPTIONS);
      const kernel = new Emulator();
      kernel.commit(model.load({ ...START, classes: new Map(), profiles: new Map() }, 0, null).swap, 0);
      for (const each of layouts) {
        const before = kernel.copy();
        const [first, ...rest] = inOrder(model.change(changeTo(each), 0));
        if (first !== undefined) kernel.commit(first, 0);
        const [done, waiting] = [kernel.copy(), kernel.withRangesOf(before)];
        for (const text of rest) kernel.commit(text, 0);
        const atOnce = kernel.withRangesOf(before);
        each.owners.forEach((owner, i) => {
          const packet = { device: DEVICE, peer: `10.0.0.${i}`, protocol: 'tcp', port: 80 } as const;
          const wanted = owner !== null && each.cells[classIds.indexOf(owner)] === 'web' ? 'policy.p' : null;
          // New access of a moved address may begin at the end of the change.
          if (done.decide(packet, 0) !== before.decide(packet, 0) || rest.length === 0)
            assert.equal(done.decide(packet, 0), wanted, `${i} after the first transaction`);
          else if (wanted === null) assert.equal(done.decide(packet, 0), null, `${i} after the first transaction`);
          assert.equal(kernel.decide(packet, 0), wanted, `${i} at the end`);
          if (waiting.decide(packet, 0) !== atOnce.decide(packet, 0))
            assert.equal(waiting.decide(packet, 0), wanted, `${i} on the way`);
        });
      }
    }),
    { numRuns: 300 },
  );
});

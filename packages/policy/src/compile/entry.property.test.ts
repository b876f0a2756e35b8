import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StateItem } from '@sallyport/contract/channel';
import { parseAddress, parsePrefix, parseRange, rangeContains } from '@sallyport/ip';
import fc from 'fast-check';
import { admits } from '../testing/admits.ts';
import { allDestinations, allPorts, gatewayIds, instant, type Packet, population } from '../testing/arbitrary.ts';
import { assertUntil } from '../testing/assert-until.ts';
import { policy, settings } from '../testing/build.ts';
import type { WorldChange } from '../types.ts';
import { TenantCompiler } from './compiler.ts';
import { entryOf } from './indexes/facts.ts';

test('what an entry gateway admits for a device is routed to gateways that know the source', () => {
  let [passed, kept, peers] = [0, 0, 0];
  assertUntil(
    () => passed > 50 && kept > 50 && peers > 10,
    fc.property(population, instant, (changes, at) => {
      const compiler = new TenantCompiler(settings);
      compiler.apply(comingIn(changes), at);
      const { world } = compiler;
      for (const device of world.devices.values()) {
        const entry = entryOf(world, device);
        if (entry === null) continue;
        for (const id of gatewayIds) {
          const item = ofKind(compiler.items(id), 'device').find((one) => one.id === device.id);
          if (item !== undefined) assert.equal(item.via, id === entry ? null : entry);
          if (item !== undefined && id !== entry) peers++;
        }
        const items = compiler.items(entry);
        for (const destination of allDestinations)
          for (const port of allPorts) {
            const packet = { device: device.id, destination, ...port };
            if (admits(items, packet, at) === null) continue;
            const route = ofKind(items, 'route').find(({ id }) => isIn(destination, [id]));
            if (!goesOn(items, packet)) {
              kept++;
              assert.ok(compiler.decide({ ...packet, at, gateway: entry }).allowed, 'it carries that itself');
              continue;
            }
            assert.ok(route !== undefined, 'what goes on has a way');
            for (const carrier of route.gateways) {
              const peer = ofKind(compiler.items(carrier), 'peer').find(({ id }) => id === entry);
              assert.ok(peer !== undefined, `${carrier} knows ${entry}`);
              if (admits(compiler.items(carrier), packet, at) === null) continue;
              passed++;
              for (const address of device.addresses)
                assert.ok(isIn(address, peer.sources), `${address} at ${carrier}`);
            }
          }
      }
    }),
    { numRuns: 60 },
  );
  assert.ok(passed > 50 && kept > 50 && peers > 10, `${passed}, ${kept}, ${peers}`);
});

/** Adds plain devices, relaying gateways and a policy that opens many resources to changes. */
function comingIn(changes: readonly WorldChange[]): WorldChange[] {
  const all = policy('all', 9, { allDevices: true, allResources: true });
  return [
    ...changes.map((change): WorldChange => {
      if (change.kind === 'gateway' && change.value !== null)
        return { ...change, value: { ...change.value, relayEnabled: true } };
      if (change.kind === 'device' && change.value !== null)
        return { ...change, value: { ...change.value, native: false, active: true, user: null } };
      return change;
    }),
    { kind: 'policy', id: 'all', value: all },
  ];
}

function goesOn(items: readonly StateItem[], { device, destination }: Packet): boolean {
  const { profile } = ofKind(items, 'device').find(({ id }) => id === device) ?? assert.fail(device);
  const inClass = ofKind(items, 'class').find(({ ranges }) => ranges.some((range) => holds(range, destination)));
  const { cells = [] } = ofKind(items, 'profile').find(({ id }) => id === profile) ?? {};
  return cells.find((cell) => cell.class === inClass?.id)?.onward === true;
}

function holds(range: string, address: string): boolean {
  const { family, value } = parseAddress(address) ?? assert.fail(address);
  return rangeContains(parseRange(range) ?? assert.fail(range), family, value);
}

function ofKind<K extends StateItem['kind']>(items: readonly StateItem[], kind: K) {
  return items.filter((item): item is StateItem & { kind: K } => item.kind === kind);
}

function isIn(address: string, prefixes: readonly string[]): boolean {
  const { family, value } = parseAddress(address) ?? assert.fail(address);
  return prefixes.some((prefix) => rangeContains(parsePrefix(prefix) ?? assert.fail(prefix), family, value));
}

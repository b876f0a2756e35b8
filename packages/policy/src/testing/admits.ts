import assert from 'node:assert/strict';
import { parseAddress, parseRange, rangeContains } from '@sallyport/contract';
import type { StateItem } from '@sallyport/contract/channel';
import type { Packet } from './arbitrary.ts';

/** What a gateway does with a packet by its items: the policy that admits it, or null. */
export function admits(items: readonly StateItem[], packet: Packet): string | null {
  const device = find(items, 'device', packet.device);
  const profile = device?.profile == null ? undefined : find(items, 'profile', device.profile);
  const addressClass = classOf(items, packet.destination);
  const cell = profile?.cells.filter((c) => c.class === addressClass) ?? [];
  assert.ok(cell.length <= 1, 'at most one cell per class');
  const bundle = cell[0] === undefined ? undefined : find(items, 'bundle', cell[0].bundle);
  const port = packet.protocol === 'tcp' || packet.protocol === 'udp' ? packet.port : 0;
  const grants = (bundle?.grants ?? []).filter(
    (grant) => grant.protocol === packet.protocol && grant.from <= port && port <= grant.to,
  );
  assert.ok(grants.length <= 1, 'grants are disjoint');
  return grants[0]?.policy ?? null;
}

function classOf(items: readonly StateItem[], destination: string): string | null {
  const address = parseAddress(destination);
  assert.ok(address);
  const { family, value } = address;
  const classes = items.filter(
    (item) =>
      item.kind === 'class' &&
      item.ranges.some((text) => {
        const range = parseRange(text);
        return range !== null && rangeContains(range, family, value);
      }),
  );
  assert.ok(classes.length <= 1, 'classes are disjoint');
  const [found] = classes;
  return found?.kind === 'class' ? found.id : null;
}

function find<K extends StateItem['kind']>(items: readonly StateItem[], kind: K, id: string) {
  return items.find((item): item is StateItem & { kind: K } => item.kind === kind && 'id' in item && item.id === id);
}

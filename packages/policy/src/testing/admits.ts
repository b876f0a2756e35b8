import assert from 'node:assert/strict';
import { bundleAt, type SiteItem, type StateItem } from '@sallyport/contract/channel';
import { parseAddress, parsePrefix, parseRange, rangeContains } from '@sallyport/ip';
import type { Packet } from './arbitrary.ts';

/**
 * Returns the policy by which a gateway's items admit a packet at a moment, or null. Nothing renews the items until
 * then.
 */
export function admits(items: readonly StateItem[], packet: Packet, at = 0): string | null {
  const from = packet.device === undefined ? siteOf(items, packet.source) : find(items, 'device', packet.device);
  if (from?.profile == null || isOver(from.expiresAt, at)) return null;
  const profile = find(items, 'profile', from.profile);
  const addressClass = classOf(items, packet.destination);
  const cell = profile?.cells.filter((c) => c.class === addressClass) ?? [];
  assert.ok(cell.length <= 1, 'at most one cell per class');
  const open = cell[0] === undefined ? null : bundleAt(cell[0], at);
  if (open === null) return null;
  const bundle = find(items, 'bundle', open);
  const port = packet.protocol === 'tcp' || packet.protocol === 'udp' ? packet.port : 0;
  const grants = (bundle?.grants ?? []).filter(
    (grant) => grant.protocol === packet.protocol && grant.from <= port && port <= grant.to,
  );
  assert.ok(grants.length <= 1, 'grants are disjoint');
  return grants[0]?.policy ?? null;
}

function isOver(expiresAt: number | null, at: number): boolean {
  return expiresAt !== null && expiresAt <= at;
}

function siteOf(items: readonly StateItem[], source: string) {
  const { family, value } = parseAddress(source) ?? assert.fail(source);
  const sites = items.filter(
    (item): item is SiteItem =>
      item.kind === 'site' &&
      item.prefixes.some((text) => rangeContains(parsePrefix(text) ?? assert.fail(text), family, value)),
  );
  assert.ok(sites.length <= 1, 'sites are disjoint');
  return sites[0];
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

import type { ProbeItem } from '@sallyport/contract/channel';
import { type IpRange, rangeContains } from '@sallyport/ip';
import type { ResourceIndex } from '../indexes/resource-index.ts';

/** Returns the probes of the single addresses of the resources attached to a gateway. */
export function probeItems(gateway: string, resources: ResourceIndex, reserved: readonly IpRange[]): ProbeItem[] {
  const probes = new Map<string, ProbeItem>();
  for (const id of [...resources.attached(gateway)].sort())
    for (const { probe, range } of resources.entries(id)) {
      if (probe === null || probes.has(probe.id)) continue;
      if (!reserved.some((r) => rangeContains(r, range.family, range.first))) probes.set(probe.id, probe);
    }
  return [...probes.values()];
}

import { formatAddress, type IpRange, rangeContains } from '@sallyport/contract';
import type { ProbeItem } from '@sallyport/contract/channel';
import type { PrefixRange } from '../../addresses.ts';
import type { PortRange, WorldAddress, WorldResource } from '../../types.ts';
import type { ResourceIndex } from '../indexes/resource-index.ts';

/** Probes of the single addresses of the resources attached to a gateway. */
export function probeItems(gateway: string, resources: ResourceIndex, reserved: readonly IpRange[]): ProbeItem[] {
  const probes = new Map<string, ProbeItem>();
  for (const id of [...resources.attached(gateway)].sort())
    for (const { probe, range } of resources.entries(id)) {
      if (probe === null || probes.has(probe.id)) continue;
      if (!reserved.some((r) => rangeContains(r, range.family, range.first))) probes.set(probe.id, probe);
    }
  return [...probes.values()];
}

/** Probe of one address, or null for a prefix: that is not probed. */
export function probeOf(resource: WorldResource, address: WorldAddress, range: PrefixRange): ProbeItem | null {
  if (range.first !== range.last) return null;
  const { id } = address;
  const target = formatAddress(range.family, range.first);
  return { kind: 'probe', key: `probe/${id}`, id, resource: resource.id, target, port: probePort(address.ports) };
}

/**
 * TCP port that tells best whether a service is there: a single port, else the start of the smallest range. Null, an
 * ICMP echo, when the address admits no TCP, or every TCP port and ICMP too: then no port says anything.
 */
function probePort(ports: readonly PortRange[]): number | null {
  const size = (range: PortRange) => range.to - range.from;
  const tcp = ports.filter(({ protocol, to }) => protocol === 'tcp' && to > 0);
  const best = tcp.sort((a, b) => size(a) - size(b))[0];
  if (best === undefined) return null;
  const whole = best.from <= 1 && best.to === 65535;
  if (whole && ports.some(({ protocol }) => protocol === 'icmp')) return null;
  return Math.max(best.from, 1);
}

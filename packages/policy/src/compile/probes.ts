import { formatAddress, type IpRange, rangeContains } from '@sallyport/contract';
import type { ProbeItem } from '@sallyport/contract/channel';
import { prefixRange } from '../addresses.ts';
import type { PortRange } from '../types.ts';
import type { ResourceIndex } from './resource-index.ts';

/** Probes of the single addresses of the resources attached to a gateway; prefixes are not probed. */
export function probeItems(gateway: string, resources: ResourceIndex, reserved: readonly IpRange[]): ProbeItem[] {
  const probes = new Map<string, ProbeItem>();
  for (const id of [...resources.attached(gateway)].sort())
    for (const address of resources.get(id)?.addresses ?? []) {
      const { family, first, last } = prefixRange(address.prefix);
      if (first !== last || probes.has(address.id) || reserved.some((r) => rangeContains(r, family, first))) continue;
      const target = formatAddress(family, first);
      const key = `probe/${address.id}`;
      probes.set(address.id, {
        kind: 'probe',
        key,
        id: address.id,
        resource: id,
        target,
        port: probePort(address.ports),
      });
    }
  return [...probes.values()];
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

import type { ProbeItem } from '@sallyport/contract/channel';
import { formatAddress, type IpPrefix } from '@sallyport/ip';
import type { PortRange, WorldAddress, WorldResource } from '../../types.ts';

/** Probe of one address, or null for a prefix: that is not probed. */
export function probeOf(resource: WorldResource, address: WorldAddress, range: IpPrefix): ProbeItem | null {
  if (range.first !== range.last) return null;
  const { id } = address;
  const target = formatAddress({ family: range.family, value: range.first });
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

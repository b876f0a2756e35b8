import type { ProbeItem } from '@sallyport/contract/channel';
import { formatAddress, type IpPrefix } from '@sallyport/ip';
import type { PortRange, WorldAddress, WorldResource } from '../../types.ts';

/** Returns the probe of a single address. A wider prefix is not probed: null. */
export function probeOf(resource: WorldResource, address: WorldAddress, range: IpPrefix): ProbeItem | null {
  if (range.first !== range.last) return null;
  const { id } = address;
  const target = formatAddress({ family: range.family, value: range.first });
  return { kind: 'probe', key: `probe/${id}`, id, resource: resource.id, target, port: probePort(address.ports) };
}

/**
 * Returns the TCP port that shows best whether a service answers: a single port, else the start of the smallest range.
 * Null means an ICMP echo. It is used when the address admits no TCP, or all TCP ports and ICMP: then no port stands
 * out.
 */
export function probePort(ports: readonly PortRange[]): number | null {
  const size = (range: PortRange) => range.to - range.from;
  const tcp = ports.filter(({ protocol, to }) => protocol === 'tcp' && to > 0);
  const best = tcp.sort((a, b) => size(a) - size(b))[0];
  if (best === undefined) return null;
  const whole = best.from <= 1 && best.to === 65535;
  if (whole && ports.some(({ protocol }) => protocol === 'icmp')) return null;
  return Math.max(best.from, 1);
}

import type { ResourceItem } from '@sallyport/contract/channel';
import { mostPingPorts } from '@sallyport/contract/channel';
import type { WorldResource } from '../../types.ts';

/** Ports to try first in a range of several. */
const common = [443, 80, 22];

/** Returns how an address of a resource may answer, by the ports of the resource. */
export function pingHints({ addresses }: WorldResource): NonNullable<ResourceItem['ping']> {
  const ranges = addresses.flatMap(({ ports }) => ports);
  const tcp = ranges.flatMap(({ protocol, from, to }) => {
    if (protocol !== 'tcp') return [];
    const known = common.filter((port) => from <= port && port <= to);
    return known.length > 0 ? known : [Math.max(1, from)];
  });
  return { tcp: [...new Set(tcp)].slice(0, mostPingPorts), icmp: ranges.some(({ protocol }) => protocol === 'icmp') };
}

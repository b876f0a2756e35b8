import { coveringPrefix } from '../ip.ts';
import { eachLine, failure, run } from './run.ts';

/**
 * Ends the flows whose first packet went to `virtual` and that were translated to `real`: their next packet is that of a
 * new flow. Other flows of either address stay. Throws HostNetError, `missing-tool` without the program `conntrack`.
 */
export async function endFlows(virtual: string, real: string): Promise<void> {
  const family = virtual.includes(':') ? 'ipv6' : 'ipv4';
  const result = await run('conntrack', ['-D', '-f', family, '--orig-dst', virtual, '--reply-src', real]);
  // The program fails when there was no such flow.
  if (result.code !== 0 && !/\b0 flow entries have been deleted/.test(result.stderr))
    throw failure('conntrack', result);
}

/**
 * Returns those of some addresses of one family to which flows were opened and not yet forgotten. Throws as `endFlows`.
 */
export async function flowsTo(addresses: ReadonlySet<string>): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  const [first, prefix] = [addresses.values().next().value, coveringPrefix(addresses)];
  if (first === undefined || prefix === null) return found;
  const args = ['-L', '-f', first.includes(':') ? 'ipv6' : 'ipv4', '--orig-dst', prefix];
  await eachLine('conntrack', args, (line) => {
    // The first destination is that of the original direction.
    const [, address = ''] = / dst=(\S+)/.exec(line) ?? [];
    if (addresses.has(address)) found.add(address);
  });
  return found;
}

import { failure, run } from './run.ts';

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

import type { DnsServer } from '@sallyport/contract';
import { formatAddress, parseAddress } from '@sallyport/ip';
import { decodeJson, encodeJson } from '../../db/json.ts';

/**
 * Returns resolvers as a gateway's row holds them: addresses and domains in one spelling, without the usual port.
 * `present`: the value when the request names none.
 */
export function dnsColumn(given: readonly DnsServer[] | null | undefined, present = '[]'): string {
  return given === undefined ? present : encodeJson((given ?? []).map(canonical));
}

/** Returns the `dnsServers` of an answer from the column. */
export function dnsField(column: string): { dnsServers?: { address: string; port?: number; domains?: string[] }[] } {
  return column === '[]' ? {} : { dnsServers: decodeJson(column) };
}

function canonical({ address, port = 53, domains = [] }: DnsServer): DnsServer {
  const parsed = parseAddress(address);
  return {
    address: parsed === null ? address : formatAddress(parsed),
    ...(port !== 53 && { port }),
    ...(domains.length > 0 && { domains: [...new Set(domains.map((domain) => domain.toLowerCase()))].sort() }),
  };
}

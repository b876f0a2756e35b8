/** A resolver of a gateway. */
export interface DnsServer {
  /** IP address. */
  readonly address: string;
  /** Left out: 53. */
  readonly port?: number | undefined;
  /** Domains whose names it is asked for, with all names below them. Left out: names that no other server has. */
  readonly domains?: string[] | undefined;
}

/** Most resolvers of one gateway. */
export const mostDnsServers = 16;

/** Most domains of one resolver. */
export const mostDnsDomains = 64;

/** Reads resolvers as people write them: `10.20.0.53, [fd00::53]:5353 corp.example lab.example`. Checks no value. */
export function readDnsServers(text: string): DnsServer[] {
  return text
    .split(',')
    .map((entry) => entry.trim().split(/\s+/))
    .flatMap(([place = '', ...domains]) => (place === '' ? [] : [readServer(place, domains)]));
}

function readServer(place: string, domains: string[]): DnsServer {
  const [, inBrackets, plain, port] = /^(?:\[([^\]]*)\]|([^:]*)):([0-9]{1,5})$/.exec(place) ?? [];
  const address = inBrackets ?? plain ?? place.replace(/^\[(.*)\]$/, '$1');
  return {
    address,
    ...(port === undefined ? {} : { port: Number(port) }),
    ...(domains.length === 0 ? {} : { domains }),
  };
}

/** Returns resolvers as people write them. */
export function dnsServersText(servers: readonly DnsServer[]): string {
  return servers.map(dnsServerText).join(', ');
}

/** Returns one resolver as people write it. */
export function dnsServerText({ address, port, domains = [] }: DnsServer): string {
  const place = port === undefined ? address : address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  return [place, ...domains].join(' ');
}

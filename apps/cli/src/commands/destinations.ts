import { domainToASCII } from 'node:url';
import { parseEndpoint, type RequestBody, type Resource } from '@sallyport/contract';
import { formatAddress, isWildcard, parseAddress, parsePrefix } from '@sallyport/ip';
import type { Client } from '../client.ts';
import { usage } from '../failure.ts';
import { findId, kinds, resolveId } from '../resolve.ts';
import { clean } from '../text.ts';
import { count } from './options.ts';

/** Destination of a connection. */
export type Target = Pick<RequestBody<'explainAccess'>, 'destination' | 'protocol' | 'port'>;

interface Flags {
  readonly protocol?: Target['protocol'];
  readonly port?: string;
}

/** Returns whether a text is an IP address, with or without a port. Such a text is never the name of a resource. */
export function isAddress(text: string): boolean {
  const found = parseEndpoint(text);
  return found !== null && parseAddress(found.host) !== null;
}

/** Parses `10.0.0.5:443`, `[fd00::5]:22`, or an address with `--port` and `--protocol`. */
export function destinationOf(text: string, flags: Flags): Target {
  const found = parseEndpoint(text);
  if (found === null || parseAddress(found.host) === null)
    throw usage(`Not an IP address: ${text}`, 'Give an address such as 10.0.0.5:443, 10.0.0.5 or [fd00::5]:22');
  return targetAt(found.host, portOf(found.port, flags), flags);
}

/**
 * Returns a connection to each address of a resource on each of its ports, or on the given port only. A text that names
 * no resource may be a host name.
 */
export async function resourceTargets(api: Client, text: string, flags: Flags): Promise<Target[]> {
  const [, name = text, typed] = /^(.+):([0-9]{1,5})$/.exec(text) ?? [];
  const port = portOf(typed === undefined ? null : Number(typed), flags);
  const host = domainToASCII(name).replace(/\.$/, '');
  const isHost = host.includes('.') && !host.includes('*') && parseEndpoint(host) !== null;
  const id = isHost ? await findId(api, kinds.resource, name) : await resolveId(api, kinds.resource, name);
  if (id === undefined) return [targetAt(host, port, flags)];
  const { body } = await api.call('getResource', { params: { id } });
  const targets = body.addresses.flatMap((address) => targetsOf(address, port, flags));
  if (targets.length === 0)
    throw usage(
      `${clean(body.name)} has no address or name that gateways enforce by itself`,
      'Give an IP address, or a name such as wiki.corp.example:443.',
    );
  if (targets.length <= MOST) return targets;
  throw usage(
    `${clean(body.name)} has ${targets.length} addresses and ports, which is too many for one check`,
    'Name one: sally access explain DEVICE ADDRESS:PORT',
  );
}

const MOST = 32;

function targetsOf(
  { address, type, protocols }: Resource['addresses'][number],
  port: number | undefined,
  flags: Flags,
): Target[] {
  const first = firstAddress(address) ?? (type === 'PRIVATE' && !isWildcard(address) ? address : null);
  if (first === null) return [];
  if (port !== undefined || flags.protocol === 'ICMP') return [targetAt(first, port, flags)];
  const all = protocols.flatMap(({ networkProtocols }) => networkProtocols);
  const wanted = all.filter(({ protocol }) => flags.protocol === undefined || protocol === flags.protocol);
  const targets = wanted.map(({ protocol, port: range }) => ({
    ...{ destination: first, protocol },
    ...(range === undefined ? {} : { port: Number(range.split('-')[0]) }),
  }));
  return [...new Map(targets.map((target) => [JSON.stringify(target), target])).values()];
}

/** Returns the address, or the first address of a network; null for a name. */
function firstAddress(text: string): string | null {
  const range = parsePrefix(text);
  return range === null ? null : formatAddress({ family: range.family, value: range.first });
}

function portOf(found: number | null, flags: Flags): number | undefined {
  if (found !== null && flags.port !== undefined && String(found) !== flags.port)
    throw usage('The destination names another port than --port');
  return found ?? count('--port', flags.port);
}

function targetAt(destination: string, port: number | undefined, flags: Flags): Target {
  const protocol = flags.protocol ?? (port === undefined ? 'ICMP' : 'TCP');
  if ((protocol === 'ICMP') !== (port === undefined))
    throw usage(protocol === 'ICMP' ? 'ICMP has no port' : `${protocol} needs a port`, 'sally access explain --help');
  return { destination, protocol, ...(port === undefined ? {} : { port }) };
}

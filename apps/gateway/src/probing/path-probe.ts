import type { ProbeItem } from '@sallyport/contract/channel';

/** A probe of a resource: a TCP connection, an ICMP echo without a port, or a datagram. */
export interface PathProbe extends ProbeItem {
  /** Absent means TCP if there is a port. */
  readonly protocol?: 'udp';
}

/** Distinguishes probes of one address. */
export function questionKey({ id, protocol }: PathProbe): string {
  return protocol === undefined ? id : `${id} ${protocol}`;
}

/** Returns the name of a probe for messages. */
export function nameOf({ target, port, protocol }: PathProbe): string {
  if (port === null) return target;
  return `${target} ${protocol === 'udp' ? 'UDP ' : ''}port ${port}`;
}

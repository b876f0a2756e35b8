import type { ProbeItem } from '@sallyport/contract/channel';

/** A question to a resource: a TCP connection, an ICMP echo without a port, or a datagram. */
export interface PathProbe extends ProbeItem {
  /** Absent: TCP if there is a port. */
  readonly protocol?: 'udp';
}

/** Tells questions to one address of a resource apart. */
export function questionKey({ id, protocol }: PathProbe): string {
  return protocol === undefined ? id : `${id} ${protocol}`;
}

export function nameOf({ target, port, protocol }: PathProbe): string {
  if (port === null) return target;
  return `${target} ${protocol === 'udp' ? 'UDP ' : ''}port ${port}`;
}

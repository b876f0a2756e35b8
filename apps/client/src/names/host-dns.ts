/** Address on which the client answers queries of this host. */
export const stubAddress = '127.0.0.153';

/** What a user may choose about the names of this host. */
export const dnsChoices = ['auto', 'resolved', 'networkmanager', 'resolv.conf', 'off'] as const;
/** A choice about the names of this host. `auto`: whatever manages `/etc/resolv.conf`. `off`: the host is left alone. */
export type DnsChoice = (typeof dnsChoices)[number];

/**
 * A way to send queries of this host to our own resolver. What it does survives a killed daemon, harms nothing then, and
 * can be undone by another process without a record of its own.
 */
export interface HostDns {
  readonly kind: Exclude<DnsChoice, 'auto' | 'off'>;
  /** Interval at which it is checked, because other programs configure the host too. */
  readonly checkMs: number;
  /** Returns whether queries for these domains come to us. */
  holds(domains: readonly string[]): Promise<boolean>;
  /** Sends queries for these domains to us. Returns whether something had to be changed. */
  add(domains: readonly string[]): Promise<boolean>;
  /** Undoes it. Returns whether there was something. */
  remove(): Promise<boolean>;
  /** Returns the resolvers for all other names. */
  others(): Promise<string[]>;
}

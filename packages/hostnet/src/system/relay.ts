import type { Count } from '../firewall/load.ts';
import type { RelayPair } from '../types.ts';

/** What a pair has forwarded in the kernel since it was first there. */
export interface RelayCount {
  /** From side a to side b. */
  readonly fromA: Count;
  readonly fromB: Count;
}

/**
 * Forwards WireGuard transport data between learned ends, in the kernel: the table `sallyport_relay`, which outlives the
 * process. Handshakes and datagrams of unknown sources go to the socket on the port, as without it. The host must forward
 * (`Host.up`). Calls are carried out one after another.
 */
export interface RelayTableApi {
  /**
   * Makes the table say exactly these pairs; what is there already is not touched and goes on counting. Resolves with the
   * ids that the kernel forwards, the others are for the socket. `now` is epoch milliseconds. Throws HostNetError.
   */
  apply(pairs: readonly RelayPair[], now: number): Promise<ReadonlySet<string>>;
  /** By id. */
  counters(): Promise<ReadonlyMap<string, RelayCount>>;
  /** One sentence for each thing that is not as last applied. */
  verify(now: number): Promise<readonly string[]>;
  /** One sentence for each foreign chain that would drop what is forwarded: then leave everything to the socket. */
  obstacles(): Promise<readonly string[]>;
  /** Removes the table; no error if there is none. */
  remove(): Promise<void>;
}

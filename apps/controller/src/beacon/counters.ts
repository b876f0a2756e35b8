import type { IgnoredReason } from '@sallyport/wireguard';

/**
 * Why a datagram did not get through. `cookie`: under load, and asked for proof of its address. `busy`: too much work, or too
 * many lookups.
 */
export type BeaconRefusal = IgnoredReason | 'cookie' | 'busy';

/** What the beacon has done since the process began. */
export class BeaconCounters {
  handshakes = 0;
  readonly refusals = new Map<BeaconRefusal, number>();

  handshake(): void {
    this.handshakes++;
  }

  refused(reason: BeaconRefusal): void {
    this.refusals.set(reason, (this.refusals.get(reason) ?? 0) + 1);
  }
}

import type { IgnoredReason } from '@sallyport/wireguard';

/**
 * Reasons why a datagram was dropped. `cookie`: under load, the sender must first prove its address. `busy`: too much
 * work, or too many look-ups.
 */
export type BeaconRefusal = IgnoredReason | 'cookie' | 'busy';

/** Figures of the beacon since the process began. */
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

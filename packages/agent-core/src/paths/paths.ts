import type { BeaconItem, DeviceItem, PathReport, PeerItem } from '@sallyport/contract/channel';
import type { PeerConfig } from '@sallyport/wireguard';
import type { PathEffect, PathInput, PathsConfig, PathsView, RelayTimes } from './types.ts';

/**
 * The ways to all gateways of a state, and which of them carries each route; on a gateway also where its devices are found.
 * Inputs in, effects out, to be carried out in their order; `nextDeadline` says when to send a `tick`.
 *
 * The plane asks `peerConfig` when it loads or changes a device, so that it never undoes what is decided here.
 */
export class Paths {
  constructor(_config: PathsConfig) {}

  /** `now`: milliseconds of a clock that never goes back. */
  handle(_input: PathInput, _now: number): PathEffect[] {
    throw new Error('not yet');
  }

  /** Null: only inputs can change anything. */
  nextDeadline(): number | null {
    return null;
  }

  /** What the WireGuard peer of an item should be at present. Endpoints are IP addresses; absent while none is known. */
  peerConfig(_item: PeerItem | BeaconItem | DeviceItem): PeerConfig {
    throw new Error('not yet');
  }

  /** For `sally status`. */
  view(): PathsView {
    return { paths: [], routes: [] };
  }

  /** For heartbeats: the way to every gateway. */
  reports(): PathReport[] {
    return [];
  }

  /** For heartbeats: relay points that were measured. */
  relays(): RelayTimes {
    return [];
  }
}

import type { RouteItem, StateItem } from '@sallyport/contract/channel';
import type { DeviceStatus, PeerChange } from '@sallyport/wireguard';
import type { RouteCount } from './route-traffic.ts';
import type { Answering } from './targets.ts';

/**
 * Outcome of a connection to a target, or of an echo. Only an established connection or an answered echo proves that the path
 * leads to the resource.
 */
export type TryOutcome = 'answered' | 'refused' | 'none';

/** A connection, or an echo (`port` null), through the current carrier of the prefix. */
export interface Try {
  readonly probe: number;
  readonly gateway: string;
  readonly address: string;
  readonly port: number | null;
  readonly timeoutMs: number;
}

/**
 * Times of `Paths` are milliseconds of a monotonic clock, so that a change of the host's clock delays no search or failover.
 * Ids of peers are gateway ids. Ids of devices are device ids.
 */
export interface PathsConfig {
  /** Own id of the gateway or device. It spreads routes. */
  readonly agent: string;
  /** Returns the stored last endpoint of a public key. */
  readonly remembered: (publicKey: string) => string | undefined;
  readonly timing?: Partial<PathsTiming>;
  /** Whether to detect routes without answers. Native devices do (docs/paths.md, "In-band evidence"). */
  readonly watchesRoutes?: boolean;
}

/** All inputs of `Paths`: states, readings, answers and the time. */
export type PathInput =
  /** New items, sent before the plane applies them, so that the plane gets the peers from `Paths`. */
  | { readonly kind: 'items'; readonly items: ReadonlyMap<string, StateItem> }
  /** The data plane is closed. Probes and searches stop until new items arrive. */
  | { readonly kind: 'closed' }
  /** Outcome of a `probe` effect. Null: no answer, or a send failure. Report late outcomes too. */
  | { readonly kind: 'probed'; readonly probe: number; readonly rttMs: number | null }
  /**
   * Outcome of a `try` effect. `answered`: the connection was established. `none`: a timeout, or the network reports that the
   * target is unreachable.
   */
  | { readonly kind: 'tried'; readonly probe: number; readonly outcome: TryOutcome }
  /**
   * A reading of the WireGuard device, requested or not. Null: the device does not answer. A reading before the first items
   * lets a device that outlived the agent continue unchanged.
   */
  | { readonly kind: 'status'; readonly device: DeviceStatus | null }
  /** Answer to `read-traffic`. No counts: they are unavailable, or counting starts now. */
  | {
      readonly kind: 'traffic';
      readonly counts: ReadonlyMap<string, RouteCount>;
      readonly answering: readonly Answering[];
    }
  /** `punch` of the session. */
  | { readonly kind: 'punch'; readonly peer: string; readonly endpoints: readonly string[] }
  /** Own addresses or the default route changed. */
  | { readonly kind: 'network-changed' }
  /** Answer to `resolve`: IP addresses, best first. None: the name does not resolve now. */
  | { readonly kind: 'resolved'; readonly host: string; readonly addresses: readonly string[] }
  /** Outcome of a `measure` effect. */
  | { readonly kind: 'measured'; readonly relay: string; readonly rttMs: number | null }
  /** A deadline may have passed. */
  | { readonly kind: 'tick' };

/** Effects that `Paths` requests from the runtime. */
export type PathEffect =
  /** Apply these changes to the device at once and in order, with one `apply` of the backend. */
  | { readonly kind: 'wireguard'; readonly peers: readonly PeerChange[] }
  /**
   * Open a TCP connection from the own overlay address to port 1 of the address. A refusal counts as an answer. The timeout
   * is `timeoutMs`. The answer is one `probed`.
   */
  | {
      readonly kind: 'probe';
      readonly probe: number;
      readonly peer: string;
      readonly address: string;
      readonly timeoutMs: number;
    }
  /**
   * Open a TCP connection to the target of a route and close it at once. Without a port, send an ICMP echo. The answer is one
   * `tried`.
   */
  | ({ readonly kind: 'try' } & Try)
  /** Read the device and give it as `status`. */
  | { readonly kind: 'read-status' }
  /**
   * Count packets of these prefixes into and out of the tunnel, and send the counts as `traffic`. Prefixes may nest. A packet
   * counts for the longest match, including `apart` prefixes, which have no counts.
   */
  | { readonly kind: 'read-traffic'; readonly prefixes: readonly string[]; readonly apart: readonly string[] }
  /** Hand to the session as its `find-path` input. */
  | { readonly kind: 'find-path'; readonly peer: string; readonly relay: boolean }
  /** Look up a host name. The answer is `resolved`. */
  | { readonly kind: 'resolve'; readonly host: string }
  /** Send a datagram to a relay point (`192.0.2.1:1`) and time the reply. `measured` follows within 1 s. */
  | { readonly kind: 'measure'; readonly relay: string; readonly endpoint: string }
  /** A path or a carrier changed, so `view()` and `reports()` changed. */
  | { readonly kind: 'changed'; readonly what: readonly PathNews[] };

/** One line for the log. */
export interface PathNews {
  /** `notice`: useful to an operator. `detail`: useful for debugging. */
  readonly level: 'notice' | 'detail';
  readonly message: string;
}

/** See docs/paths.md. `lost` is a search after the path was up. */
export type PathState = 'searching' | 'direct' | 'relayed' | 'lost';

/** The path to one gateway. */
export interface PathView {
  readonly peer: string;
  readonly name: string;
  readonly state: PathState;
  /** Gateway whose relay is in use. Null unless relayed. */
  readonly relay: string | null;
  /** Current endpoint, as read from the device. */
  readonly endpoint: string | null;
  readonly rttMs: number | null;
  /** Time of the last handshake from WireGuard, epoch milliseconds. */
  readonly lastHandshake: number | null;
  readonly rxBytes: number;
  readonly txBytes: number;
  readonly standing: 'ACTIVE' | 'MAINTENANCE' | 'ERROR';
}

/** Carrier of a route, with the reason. */
export interface RouteView {
  readonly prefix: string;
  readonly mode: RouteItem['mode'];
  readonly resources: readonly string[];
  /** Id of the carrier; null: no gateway of the route has a tunnel. */
  readonly carrier: string | null;
  /** Reason, as a sentence. */
  readonly why: string;
  /** All gateways of the route in order, each with its fault. Null: no fault. */
  readonly gateways: readonly { readonly gateway: string; readonly against: string | null }[];
}

/** A snapshot of paths and routes for status output. */
export interface PathsView {
  readonly paths: readonly PathView[];
  readonly routes: readonly RouteView[];
}

/** Round-trip times to relays in milliseconds; null where none is known. */
export type RelayTimes = readonly { readonly gateway: string; readonly rttMs: number | null }[];

/** Intervals of path finding, milliseconds. */
export interface PathsTiming {
  /** Interval of probes while a path carries traffic, is new, or missed a probe. */
  readonly probeMs: number;
  /** Interval of probes of an idle path. */
  readonly idleProbeMs: number;
  /** Minimum timeout of a probe. A long round-trip time extends it. */
  readonly missMs: number;
  /** Consecutive missed probes after which a path is lost. */
  readonly misses: number;
  /** Time for each candidate of a search. */
  readonly candidateMs: number;
  /** Time for each direct candidate while a relay carries the traffic. */
  readonly trialMs: number;
  /** First and longest pause between such tries. */
  readonly firstRetryMs: number;
  readonly lastRetryMs: number;
  /** Longest pause between rounds of a search. */
  readonly longestPauseMs: number;
  /** Time that a lost gateway must answer before it takes routes from a working one. */
  readonly holdMs: number;
  /** Interval of device readings, plus one millisecond per peer, because reading thousands is expensive. */
  readonly statusMs: number;
  /** Interval of measurements of relay points. */
  readonly relayMs: number;
}

/** Times of path finding in production, in milliseconds. */
export const defaultPathsTiming: PathsTiming = {
  probeMs: 250,
  idleProbeMs: 5_000,
  missMs: 250,
  misses: 3,
  candidateMs: 1_000,
  trialMs: 600,
  firstRetryMs: 15_000,
  lastRetryMs: 600_000,
  longestPauseMs: 10_000,
  holdMs: 3_000,
  statusMs: 1_000,
  relayMs: 30_000,
};

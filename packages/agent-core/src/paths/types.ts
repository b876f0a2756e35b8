import type { RouteItem, StateItem } from '@sallyport/contract/channel';
import type { DeviceStatus, PeerChange } from '@sallyport/wireguard';
import type { RouteCount } from './route-traffic.ts';
import type { Answering } from './targets.ts';

/**
 * Outcome of a connection to a target, or of an echo. Only a connection that is established, and an echo that is answered, show
 * that the way leads to the resource.
 */
export type TryOutcome = 'answered' | 'refused' | 'none';

/** A connection to make, or an echo to send (`port` null), through whichever gateway carries the prefix at present. */
export interface Try {
  readonly probe: number;
  readonly gateway: string;
  readonly address: string;
  readonly port: number | null;
  readonly timeoutMs: number;
}

/**
 * Times of `Paths` are milliseconds of a clock that never goes back (monotonic), not of the calendar: a search or a failover
 * must not stand still because the host's clock was set. Ids of peers are gateway ids; those of devices are device ids.
 */
export interface PathsConfig {
  /** Own id, gateway or device: spreads routes. */
  readonly agent: string;
  /** Endpoint at which a public key was seen last, from the disk. */
  readonly remembered: (publicKey: string) => string | undefined;
  readonly timing?: Partial<PathsTiming>;
  /** Whether to find out by itself which routes get no answers: native devices do (docs/paths.md, "In-band evidence"). */
  readonly watchesRoutes?: boolean;
}

/** Everything that `Paths` hears: states, readings, answers and the time. */
export type PathInput =
  /** Before the work of the same items is performed, so that the plane finds what `Paths` wants of peers. */
  | { readonly kind: 'items'; readonly items: ReadonlyMap<string, StateItem> }
  /** Nothing may pass any more (`close`): no probes, no searches, until there are items again. */
  | { readonly kind: 'closed' }
  /** Outcome of a `probe` effect; null: no answer, or it could not be sent. Say it as soon as it is known, also late. */
  | { readonly kind: 'probed'; readonly probe: number; readonly rttMs: number | null }
  /**
   * Outcome of a `try` effect. `answered`: the connection was established. `none`: neither that nor a refusal came in time,
   * or the network says that there is no way.
   */
  | { readonly kind: 'tried'; readonly probe: number; readonly outcome: TryOutcome }
  /**
   * The WireGuard device as it is, whether asked for or not. Null: it does not answer. Given before the first items, it
   * lets a device that has outlived the agent go on as it is.
   */
  | { readonly kind: 'status'; readonly device: DeviceStatus | null }
  /** Answer to `read-traffic`. No counts: they cannot be had, or begin only now. */
  | {
      readonly kind: 'traffic';
      readonly counts: ReadonlyMap<string, RouteCount>;
      readonly answering: readonly Answering[];
    }
  /** `punch` of the session. */
  | { readonly kind: 'punch'; readonly peer: string; readonly endpoints: readonly string[] }
  /** Own addresses or the default route have changed. */
  | { readonly kind: 'network-changed' }
  /** Answer to `resolve`, IP addresses, best first; none: the name does not resolve at present. */
  | { readonly kind: 'resolved'; readonly host: string; readonly addresses: readonly string[] }
  /** Outcome of a `measure` effect. */
  | { readonly kind: 'measured'; readonly relay: string; readonly rttMs: number | null }
  /** A deadline has come, or may have. */
  | { readonly kind: 'tick' };

/** Effects that `Paths` requests from the runtime. */
export type PathEffect =
  /** Apply to the device, in this order, at once; one `apply` of the backend. */
  | { readonly kind: 'wireguard'; readonly peers: readonly PeerChange[] }
  /**
   * Open a TCP connection to port 1 of the address from the own overlay address: refused is the answer. Give up after
   * `timeoutMs`; answered by one `probed`.
   */
  | {
      readonly kind: 'probe';
      readonly probe: number;
      readonly peer: string;
      readonly address: string;
      readonly timeoutMs: number;
    }
  /**
   * Open a TCP connection to the target of a route, and close it at once, or send an ICMP echo if there is no port; answered by
   * one `tried`.
   */
  | ({ readonly kind: 'try' } & Try)
  /** Read the device and give it as `status`. */
  | { readonly kind: 'read-status' }
  /**
   * Count packets of these prefixes into and out of the tunnel, and give the counts as `traffic`. Prefixes may nest: a packet
   * counts for the longest one, also of those that are `apart` and are not counted themselves.
   */
  | { readonly kind: 'read-traffic'; readonly prefixes: readonly string[]; readonly apart: readonly string[] }
  /** Hand to the session as its `find-path` input. */
  | { readonly kind: 'find-path'; readonly peer: string; readonly relay: boolean }
  /** Look up a host name; answered by `resolved`. */
  | { readonly kind: 'resolve'; readonly host: string }
  /** Send a datagram to a relay point (`192.0.2.1:1`) and time what comes back; answered by `measured`, at most 1 s later. */
  | { readonly kind: 'measure'; readonly relay: string; readonly endpoint: string }
  /** A path or a carrier has changed: `view()` and `reports()` say something new. */
  | { readonly kind: 'changed'; readonly what: readonly PathNews[] };

/** One line for the log. */
export interface PathNews {
  /** `notice`: useful to an operator. `detail`: useful for debugging. */
  readonly level: 'notice' | 'detail';
  readonly message: string;
}

/** See docs/paths.md. `lost` is a search after the path was up. */
export type PathState = 'searching' | 'direct' | 'relayed' | 'lost';

/** The way to one gateway. */
export interface PathView {
  readonly peer: string;
  readonly name: string;
  readonly state: PathState;
  /** Gateway whose relay is used; null unless relayed. */
  readonly relay: string | null;
  /** Where datagrams go at present, as read from the device. */
  readonly endpoint: string | null;
  readonly rttMs: number | null;
  /** As WireGuard says it, epoch milliseconds. */
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
  /** In a sentence. */
  readonly why: string;
  /** All gateways of the route in its order, with what speaks against each; null: nothing does. */
  readonly gateways: readonly { readonly gateway: string; readonly against: string | null }[];
}

/** A snapshot of paths and routes for status output. */
export interface PathsView {
  readonly paths: readonly PathView[];
  readonly routes: readonly RouteView[];
}

/** Round-trip times to relays in milliseconds; null where none is known. */
export type RelayTimes = readonly { readonly gateway: string; readonly rttMs: number | null }[];

/** Milliseconds. */
export interface PathsTiming {
  /** Between probes of a path that carries traffic, that is new, or of which a probe was missed. */
  readonly probeMs: number;
  /** Between probes of a path that carries nothing. */
  readonly idleProbeMs: number;
  /** A probe unanswered for so long is missed, if the path's round-trip time does not ask for more. */
  readonly missMs: number;
  /** Probes missed in a row after which a path is lost. */
  readonly misses: number;
  /** For each candidate of a search. */
  readonly candidateMs: number;
  /** For each direct candidate that is tried while a relay carries. */
  readonly trialMs: number;
  /** Between such tries: the first pause, and the longest. */
  readonly firstRetryMs: number;
  readonly lastRetryMs: number;
  /** A search pauses between rounds, longer each time, but no longer than this. */
  readonly longestPauseMs: number;
  /** A gateway that was lost must answer so long before it takes routes from one that works. */
  readonly holdMs: number;
  /** Between reads of the device, plus a millisecond per peer, because reading thousands is expensive. */
  readonly statusMs: number;
  /** Between measurements of relay points. */
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

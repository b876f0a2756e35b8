import type {
  AgentMessage,
  AgentRole,
  Heartbeat,
  KeyExchange,
  Mapping,
  Named,
  ProbeResult,
  Revision,
  StateItem,
  UpgradePermission,
  Upgrading,
} from '@sallyport/contract/channel';
import type { AgentCrypto } from '../crypto.ts';

/** Identity of the agent. It is constant during a session. */
export interface SessionConfig {
  readonly role: AgentRole;
  /** Id of the gateway or device. */
  readonly agent: string;
  /** Ed25519 identity key, raw, base64. */
  readonly identityKey: string;
  readonly wireguardPublicKey: string;
  /** Key pinned at enrolment, or the one that has taken its place. Null before. */
  readonly controllerKey: string | null;
  /** Key from before, which may have signed the stored state. Left out: there was none. */
  readonly earlierControllerKey?: string;
  /** Whether the controller has pinned `identityKey`. Until then the token is needed. */
  readonly enrolled: boolean;
  /** Token as text, and the fingerprint that it carries. Only for enrolment. */
  readonly token: { readonly text: string; readonly controllerFingerprint: string } | null;
  readonly agentVersion: string;
  readonly host: HostFacts;
  /** Whether the host lets the controller ask for upgrades. Left out: it does not. */
  readonly upgrades?: UpgradePermission;
  readonly crypto: AgentCrypto;
}

/** Facts about the host that the agent sends when it connects. */
export type HostFacts = Extract<AgentMessage, { type: 'authenticate' }>['host'];

/** Phase of the connection. */
export type Phase =
  /** Not started yet. */
  | 'idle'
  /** Requested a socket. */
  | 'connecting'
  /** Sent hello. The controller must prove its identity. */
  | 'greeting'
  /** Sent its own proof. The controller must welcome the agent. */
  | 'authenticating'
  /** Welcomed. States, heartbeats and probes flow. */
  | 'live'
  /** Waits before the next try. */
  | 'waiting'
  /** The controller refused for good. The agent retries at long intervals, because an administrator may undo that. */
  | 'refused'
  /** Ended: the agent was stopped or deleted. */
  | 'stopped';

/** Time and randomness of an input: epoch milliseconds of the corrected clock, and a number in [0, 1). */
export interface Moment {
  readonly now: number;
  readonly random: number;
}

/** A WebSocket frame: text, or binary if it is sealed. */
export type Frame = string | Uint8Array;

/** All inputs of a session. */
export type Input =
  /** The first input, sent once, with the stored text. */
  | { readonly kind: 'start'; readonly stored: string | null }
  /** `nonce` and `exchange` belong only to this connection. */
  | {
      readonly kind: 'opened';
      readonly connection: number;
      readonly nonce: string;
      readonly exchange: KeyExchange;
    }
  | { readonly kind: 'message'; readonly connection: number; readonly frame: Frame }
  | { readonly kind: 'pong'; readonly connection: number }
  | { readonly kind: 'closed'; readonly connection: number; readonly reason: string }
  /** A job is done. `hash`: hash of the state read back from the system. `mended`: repaired differences. */
  | {
      readonly kind: 'applied';
      readonly job: number;
      readonly hash: string;
      readonly tookMs: number;
      readonly mended: readonly string[];
    }
  | { readonly kind: 'apply-failed'; readonly job: number; readonly code: string; readonly message: string }
  /** Another program changed the system. */
  /** Something on the host changed. `cured`: the cause of an earlier failure may be gone. */
  | { readonly kind: 'drift'; readonly reason: string; readonly cured?: boolean }
  /** `hostNow`: time of the host's own clock, which dates the handshakes. Default: `now`. */
  | { readonly kind: 'heartbeat-ready'; readonly data: HeartbeatData; readonly hostNow?: number }
  | { readonly kind: 'probed'; readonly request: string; readonly probes: readonly ProbeResult[] }
  /** Outcomes of some or all probes. The session sends changes at once. */
  | { readonly kind: 'noticed'; readonly probes: readonly ProbeResult[] }
  /** Request of `Paths`. It is dropped without a connection, because `Paths` repeats it while needed. */
  | { readonly kind: 'find-path'; readonly peer: string; readonly relay: boolean }
  /** A device asks for a name that only a wildcard covers. The effect `named` is the answer. */
  | { readonly kind: 'ask-name'; readonly name: string; readonly device: string }
  /** Names under wildcards that devices use. They are dropped without a connection. */
  | { readonly kind: 'names-used'; readonly names: readonly string[] }
  /** All facts about the device, after each check. Only devices have facts. */
  | { readonly kind: 'posture'; readonly facts: PostureFacts }
  /** State of the upgrade that the controller asked for. Dropped unless it was asked for on this connection. */
  | { readonly kind: 'upgrading'; readonly progress: Omit<Upgrading, 'type'> }
  /** A deadline may have passed. */
  | { readonly kind: 'tick' }
  | { readonly kind: 'stop' };

/** Complete statistics. The session sends only changes. */
export type HeartbeatData = Pick<
  Heartbeat,
  'peers' | 'policies' | 'dropped' | 'probes' | 'paths' | 'relays' | 'safeToStop' | 'names'
>;

/** Facts about a device that admission rules can use. */
export type PostureFacts = Extract<AgentMessage, { type: 'posture' }>['facts'];

/** One item before and after; null: absent. */
export interface ItemChange {
  readonly before: StateItem | null;
  readonly after: StateItem | null;
}

/** A job of the data plane. One job runs at a time. */
export type Work =
  /** Bring the system to exactly this state from any state. Touch only differences. */
  | {
      readonly kind: 'load';
      readonly items: ReadonlyMap<string, StateItem>;
      readonly leaseUntil: number;
      /** The clock was corrected, so existing timeouts in the system are wrong. */
      readonly retimed: boolean;
    }
  /** Change the state of the previous job into this state. */
  | {
      readonly kind: 'change';
      readonly changes: readonly ItemChange[];
      readonly items: ReadonlyMap<string, StateItem>;
      readonly leaseUntil: number;
    }
  /** Block all traffic: no peers, no grants. The interface and the table stay. */
  | { readonly kind: 'close'; readonly reason: string };

/** Effects that a session requests from the runtime. */
export type Effect =
  | { readonly kind: 'connect'; readonly connection: number }
  /** Only `frame` is sent. `message` is its content, for observers. */
  | { readonly kind: 'send'; readonly connection: number; readonly frame: Frame; readonly message: AgentMessage }
  /** Correct the clock of the inputs. `heard`: the correction comes from the controller. */
  | { readonly kind: 'clock'; readonly shiftMs: number; readonly heard: boolean }
  /** Send a ping on the transport. The answer is a `pong` input. */
  | { readonly kind: 'ping'; readonly connection: number }
  | { readonly kind: 'close'; readonly connection: number; readonly reason: string }
  /** The controller accepted the agent. Store its key. The token is no longer needed. */
  | {
      readonly kind: 'pin';
      readonly controllerKey: string /** Pinned key whose place it takes. */;
      readonly succeeds?: string;
    }
  /** Write `stored()` to disk. */
  | { readonly kind: 'persist' }
  | { readonly kind: 'apply'; readonly job: number; readonly work: Work }
  | { readonly kind: 'collect-heartbeat' }
  | { readonly kind: 'probe'; readonly request: string }
  /** For `Paths`: this gateway or device searches for a path to this host. */
  | { readonly kind: 'punch'; readonly peer: string; readonly endpoints: readonly string[] }
  /** NAT mapping of this host as the controller's beacon sees it. */
  | { readonly kind: 'mapping'; readonly mapping: Mapping }
  /** Upgrade the host, or report how the upgrade of this request stands. */
  | { readonly kind: 'upgrade'; readonly request: string; readonly version: string }
  /** Answer to `ask-name`. `away`: there is no connection. */
  | { readonly kind: 'named'; readonly name: string; readonly outcome: Named['outcome'] | 'away' }
  /** The agent was deleted: undo everything. */
  | { readonly kind: 'tear-down' }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string; readonly enrolled: boolean }
  | {
      readonly kind: 'log';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      readonly message: string;
      readonly fields?: Readonly<Record<string, string | number | boolean | null>>;
    };

/** State that is proven to be in force. */
export interface AppliedState {
  readonly revision: Revision;
  readonly hash: string;
}

/** Time of the next deadline, and its reason. */
export interface Deadline {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly why: 'connect-timeout' | 'retry' | 'heartbeat' | 'silence' | 'lease' | 'apply-retry' | 'sweep';
}

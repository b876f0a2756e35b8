import type {
  AgentMessage,
  AgentRole,
  Heartbeat,
  KeyExchange,
  Mapping,
  ProbeResult,
  Revision,
  StateItem,
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
  /** Pinned at enrolment; null until then. */
  readonly controllerKey: string | null;
  /** Whether the controller has pinned `identityKey`. Until then the token is needed. */
  readonly enrolled: boolean;
  /** Token as text, and the fingerprint that it carries. Only for enrolment. */
  readonly token: { readonly text: string; readonly controllerFingerprint: string } | null;
  readonly agentVersion: string;
  readonly host: HostFacts;
  readonly crypto: AgentCrypto;
}

/** What the agent tells the controller about its host when it connects. */
export type HostFacts = Extract<AgentMessage, { type: 'authenticate' }>['host'];

/** Where the connection stands. */
export type Phase =
  /** Not started yet. */
  | 'idle'
  /** Asked for a socket. */
  | 'connecting'
  /** Said hello; the controller has to prove itself. */
  | 'greeting'
  /** Proved itself in turn; the controller has to welcome. */
  | 'authenticating'
  /** Welcomed: states, heartbeats, probes. */
  | 'live'
  /** Backing off before the next try. */
  | 'waiting'
  /** The controller refused for good; tried again at long intervals, because people change their minds. */
  | 'refused'
  /** Over: stopped, or the agent was deleted. */
  | 'stopped';

/** Time and chance, given with every input: epoch milliseconds of the clock that `clock` effects correct, and a number in [0, 1). */
export interface Moment {
  readonly now: number;
  readonly random: number;
}

/** Of the WebSocket: text, or binary when it is sealed. */
export type Frame = string | Uint8Array;

/** Everything that a session hears. */
export type Input =
  /** Once, first: what the disk holds, as text. */
  | { readonly kind: 'start'; readonly stored: string | null }
  /** `nonce` and `exchange` are for this connection alone. */
  | {
      readonly kind: 'opened';
      readonly connection: number;
      readonly nonce: string;
      readonly exchange: KeyExchange;
    }
  | { readonly kind: 'message'; readonly connection: number; readonly frame: Frame }
  | { readonly kind: 'pong'; readonly connection: number }
  | { readonly kind: 'closed'; readonly connection: number; readonly reason: string }
  /** A job is done; `hash` is the state's as read back from the system, `mended` names what had drifted. */
  | {
      readonly kind: 'applied';
      readonly job: number;
      readonly hash: string;
      readonly tookMs: number;
      readonly mended: readonly string[];
    }
  | { readonly kind: 'apply-failed'; readonly job: number; readonly code: string; readonly message: string }
  /** Another program changed the system. */
  /** Something on the host has changed. `cured`: what failed before may work now. */
  | { readonly kind: 'drift'; readonly reason: string; readonly cured?: boolean }
  /** `hostNow`: the host's own clock, by which the handshakes in it are dated; as `now` when left out. */
  | { readonly kind: 'heartbeat-ready'; readonly data: HeartbeatData; readonly hostNow?: number }
  | { readonly kind: 'probed'; readonly request: string; readonly probes: readonly ProbeResult[] }
  /** Outcomes of probes, all or some: what the controller does not know yet is sent at once. */
  | { readonly kind: 'noticed'; readonly probes: readonly ProbeResult[] }
  /** Of `Paths`. Dropped while there is no connection: it is asked again for as long as it is needed. */
  | { readonly kind: 'find-path'; readonly peer: string; readonly relay: boolean }
  /** Facts about the device, whole, whenever they have been looked at. Only devices have any. */
  | { readonly kind: 'posture'; readonly facts: PostureFacts }
  /** A deadline has come, or may have. */
  | { readonly kind: 'tick' }
  | { readonly kind: 'stop' };

/** Whole statistics; the session sends of them what changed. */
export type HeartbeatData = Pick<
  Heartbeat,
  'peers' | 'policies' | 'dropped' | 'probes' | 'paths' | 'relays' | 'safeToStop'
>;

/** Facts about a device that admission rules can ask for. */
export type PostureFacts = Extract<AgentMessage, { type: 'posture' }>['facts'];

/** One item before and after; null: absent. */
export interface ItemChange {
  readonly before: StateItem | null;
  readonly after: StateItem | null;
}

/** What the data plane shall do. One job runs at a time. */
export type Work =
  /** Make the system be exactly this, whatever it is now, touching only what differs. */
  | {
      readonly kind: 'load';
      readonly items: ReadonlyMap<string, StateItem>;
      readonly leaseUntil: number;
      /** The clock was corrected: timeouts that the system holds already are wrong. */
      readonly retimed: boolean;
    }
  /** From the state of the job before to this one. */
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
  /** `message` is what the frame says, for those who watch. Only `frame` goes out. */
  | { readonly kind: 'send'; readonly connection: number; readonly frame: Frame; readonly message: AgentMessage }
  /** Correct the clock that inputs are given by. `heard`: by what the controller said, so it is right from then on. */
  | { readonly kind: 'clock'; readonly shiftMs: number; readonly heard: boolean }
  /** Ask the transport for a sign of life; answered by a `pong` input. */
  | { readonly kind: 'ping'; readonly connection: number }
  | { readonly kind: 'close'; readonly connection: number; readonly reason: string }
  /** The controller accepted us: keep its key, forget the need for the token. */
  | { readonly kind: 'pin'; readonly controllerKey: string }
  /** Write `stored()` to disk. */
  | { readonly kind: 'persist' }
  | { readonly kind: 'apply'; readonly job: number; readonly work: Work }
  | { readonly kind: 'collect-heartbeat' }
  | { readonly kind: 'probe'; readonly request: string }
  /** For `Paths`: this peer, a gateway or a device, looks for a way to us. */
  | { readonly kind: 'punch'; readonly peer: string; readonly endpoints: readonly string[] }
  /** What the controller's beacon sees of this host's NAT. */
  | { readonly kind: 'mapping'; readonly mapping: Mapping }
  /** The agent was deleted: undo everything. */
  | { readonly kind: 'tear-down' }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string; readonly enrolled: boolean }
  | {
      readonly kind: 'log';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      readonly message: string;
      readonly fields?: Readonly<Record<string, string | number | boolean | null>>;
    };

/** State of which the agent has shown that it is in force. */
export interface AppliedState {
  readonly revision: Revision;
  readonly hash: string;
}

/** The next moment at which something has to happen, and why. */
export interface Deadline {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly why: 'connect-timeout' | 'retry' | 'heartbeat' | 'silence' | 'lease' | 'apply-retry' | 'sweep';
}

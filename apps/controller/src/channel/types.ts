import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type {
  AgentRole,
  FindPath,
  PathReport,
  ProbeResult,
  Revision,
  StateDelta,
  StateItem,
} from '@sallyport/contract/channel';

/** Names an agent. */
export interface AgentRef {
  readonly role: AgentRole;
  /** Id of the gateway or device; unique among both. */
  readonly id: string;
  readonly tenant: string;
}

/** What the channel must know about a gateway or device before it admits an agent. */
export interface AgentRecord extends AgentRef {
  readonly name: string;
  /** Pinned at enrolment, base64 of 32 bytes; null until then, and again after a re-key. */
  readonly identityKey: string | null;
  readonly wireguardPublicKey: string | null;
}

/** What an agent shows when it enrols. */
export interface EnrolmentKeys {
  readonly identityKey: string;
  readonly wireguardPublicKey: string;
  /** Of the agent's host, as it says. */
  readonly hostname: string;
}

/**
 * `expired-token`: the right one, too late. `key-taken`: the WireGuard key is somebody else's.
 * `device-limit`: the owner of the device, or the tenant, has as many as allowed.
 */
export type EnrolOutcome =
  | 'enrolled'
  | 'bad-token'
  | 'expired-token'
  | 'already-enrolled'
  | 'key-taken'
  | 'device-limit';

/** The agents of one role. */
export interface AgentBook {
  /** `deleted`: an id that existed once; its agent is told to undo everything. A device that may enrol is found already. */
  find(id: string): Promise<AgentRecord | 'deleted' | null>;
  /** Checks the token's secret and pins both keys, in one transaction. */
  enrol(id: string, secret: string, keys: EnrolmentKeys): Promise<EnrolOutcome>;
  /** The agent comes with the pinned identity and another WireGuard key. */
  wireguardKeyChanged(id: string, wireguardPublicKey: string): Promise<'changed' | 'key-taken'>;
}

/** Durable facts about a gateway that change rarely; what is left out is as it was. */
export interface GatewayFacts {
  readonly error?: string | null;
  /** `host:port`. Of the channel's source address, unless `mappingIndependent` comes with it. */
  readonly discoveredEndpoint?: string | null;
  /**
   * From the beacon: whether the mapping of the gateway's WireGuard socket is the same for all destinations. While this is
   * known, the channel's source address does not count. Null: the beacon knows nothing any more, and it counts again.
   */
  readonly mappingIndependent?: boolean | null;
}

/** What a device's client tells of it. */
export interface DeviceFacts {
  /** Whole. */
  readonly posture?: Readonly<Record<string, string | number | boolean | null>>;
  readonly agentVersion?: string;
}

/**
 * What the channel asks of the rest of the controller. Implemented over the database by features, and in memory by the
 * channel's own tests.
 */
export interface AgentDirectory {
  readonly agents: Readonly<Record<AgentRole, AgentBook>>;
  /** First time that a gateway's desired state was applied. Idempotent. */
  deployed(gateway: string, at: number): Promise<void>;
  observed(gateway: string, facts: GatewayFacts): Promise<void>;
  /** Idempotent: what is known already is no change. */
  deviceTold(device: string, facts: DeviceFacts): Promise<void>;
  /** Last moments gateways were known online, written behind in batches. */
  lastOnline(moments: ReadonlyMap<string, number>): Promise<void>;
  /** Last handshakes of devices, written behind in batches: device id to epoch milliseconds. */
  deviceSeen(tenant: string, moments: ReadonlyMap<string, number>): Promise<void>;
  /** Source addresses of devices, written behind in batches: device id to IP address. */
  deviceMoved(tenant: string, sources: ReadonlyMap<string, string>): Promise<void>;
}

/** Compiled desired state of gateways and native devices, by id. Implemented by the tenant runtime. */
export interface DesiredStates {
  /** State of an agent now, or null when it does not exist. `hash` is StateHash of `items`. */
  current(agent: string): Promise<DesiredState | null>;
  /** Called after every commit that may touch the agent, in revision order. Returns the unsubscribe function. */
  subscribe(agent: string, listener: (change: StateChange) => void): () => void;
}

export interface DesiredState {
  readonly revision: Revision;
  readonly hash: string;
  readonly items: () => StateItem[];
}

export type StateChange =
  | {
      readonly kind: 'delta';
      readonly revision: Revision;
      readonly from: string;
      readonly to: string;
      readonly delta: StateDelta;
    }
  /** The tenant moved on without touching this agent. */
  | { readonly kind: 'revision'; readonly revision: Revision }
  /** Re-key: the present identity ends, the agent is refused from now on. */
  | { readonly kind: 'rekeyed' }
  /** The runtime missed a part of the log. It may have held a re-key, so the agent must be admitted again. */
  | { readonly kind: 'unknown-identity' }
  | { readonly kind: 'deleted' };

/** What is known of an agent right now. In memory, never in the database. */
export interface Presence {
  readonly connected: boolean;
  /** Connected, or gone for less than the grace, or heartbeats not missed yet. */
  readonly alive: boolean;
  /** The agent's applied hash equals the desired one. */
  readonly converged: boolean;
  readonly lastSeen: number | null;
  readonly error: string | null;
  readonly applied: { readonly revision: Revision; readonly hash: string; readonly tookMs: number } | null;
  /** Of a gateway's devices. */
  readonly statistics: PeerCounters;
  readonly probes: ReadonlyMap<string, ProbeResult>;
  readonly safeToStop: boolean;
  /** How far the clock of its host is ahead of ours; null until the first heartbeat. */
  readonly clockSkewMs: number | null;
  /** What the agent says of itself and its host; left out until one has connected. */
  readonly agent?: AgentDescription;
}

export interface AgentDescription {
  readonly version: string;
  readonly hostname: string;
  readonly os: string;
  readonly kernel: string;
  readonly wireguard: 'kernel' | 'userspace' | 'memory';
}

export interface PeerCounters {
  readonly connectedDevices: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly lastHandshake: number | null;
}

/** What the rest of the controller asks of the channel. Agents are named by the id of their gateway or device. */
/** Who counts the connections of the listener, agents' among them. */
export interface ConnectionGuard {
  /** The connection becomes a WebSocket. False: the source of the request has too many. */
  upgrading(request: IncomingMessage, socket: Duplex): boolean;
  /** An agent has proven itself on this connection. */
  proven(socket: Duplex): void;
}

export interface Channel {
  presence(agent: string): Presence;
  /** Last handshake of a device with any gateway of its tenant in this process's lifetime, epoch milliseconds. */
  deviceLastHandshake(device: string): number | null;
  /** Asks the agent to probe everything now. Null when no agent is connected or none answers within the time. */
  probe(gateway: string, timeoutMs: number): Promise<readonly ProbeResult[] | null>;
  /** How the agent reaches the gateways that it has a tunnel to, as it last said; none while it is not connected. */
  paths(agent: string): readonly PathReport[];
  /** Round-trip times to relays that answer the agent, by the relaying gateway's id, milliseconds; none while it is not connected. */
  relayTimes(agent: string): ReadonlyMap<string, number>;
  /** Tells a connected agent that this peer tries to reach it from these endpoints; false when it is not connected. */
  punch(agent: string, peer: string, endpoints: readonly string[]): boolean;
  /** Called when an agent says that no packet gets through to a peer. It may name any peer, and as often as it likes. */
  onFindPath(listener: (agent: AgentRef, request: Pick<FindPath, 'peer' | 'relay'>) => void): () => void;
  /** Called when what is shown of an agent may have changed. */
  onPresence(listener: (agent: string) => void): () => void;
  stop(): Promise<void>;
}

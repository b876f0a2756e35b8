import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type {
  AgentRole,
  FindPath,
  Named,
  NameFigures,
  PathReport,
  ProbeResult,
  Revision,
  StateDelta,
  StateItem,
  UpgradePermission,
  Upgrading,
} from '@sallyport/contract/channel';
import type { SourceReport } from './device-sources.ts';

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
  /** Name of the agent's host, as it reports it. */
  readonly hostname: string;
}

/**
 * `expired-token`: the right token, too late. `key-taken`: another agent has the WireGuard key. `device-limit`: the
 * owner of the device, or the tenant, has as many devices as allowed.
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
  /**
   * `deleted`: an id that existed once; its agent is told to undo everything. A device that has not enrolled yet is
   * found too.
   */
  find(id: string): Promise<AgentRecord | 'deleted' | null>;
  /** Checks the token's secret and pins both keys, in one transaction. */
  enrol(id: string, secret: string, keys: EnrolmentKeys): Promise<EnrolOutcome>;
  /** The agent comes with the pinned identity and another WireGuard key. */
  wireguardKeyChanged(id: string, wireguardPublicKey: string): Promise<'changed' | 'key-taken'>;
}

/** Durable facts about a gateway that change rarely. A fact that is left out stays as it was. */
export interface GatewayFacts {
  readonly error?: string | null;
  /** `host:port`. It comes from the channel's source address, unless `mappingIndependent` is given too. */
  readonly discoveredEndpoint?: string | null;
  /**
   * From the beacon: whether the gateway's WireGuard socket has the same mapping for all destinations. While this is
   * known, the channel's source address does not count. Null: the beacon has lost the gateway, and the source address
   * counts again.
   */
  readonly mappingIndependent?: boolean | null;
}

/** Facts that a client reports about its device. */
export interface DeviceFacts {
  /** All facts, not only changed ones. */
  readonly posture?: Readonly<Record<string, string | number | boolean | null>>;
  readonly agentVersion?: string;
}

/**
 * The part of the controller that the channel calls. Features implement it over the database, and the channel's own
 * tests in memory.
 */
export interface AgentDirectory {
  readonly agents: Readonly<Record<AgentRole, AgentBook>>;
  /** Records the first time that a gateway applied its desired state. Idempotent. */
  deployed(gateway: string, at: number): Promise<void>;
  observed(gateway: string, facts: GatewayFacts): Promise<void>;
  /** Idempotent: a known fact is no change. */
  deviceTold(device: string, facts: DeviceFacts): Promise<void>;
  /** Last moments at which gateways were online, in batches. */
  lastOnline(moments: ReadonlyMap<string, number>): Promise<void>;
  /** Last handshakes of devices in batches: device id to epoch milliseconds. */
  deviceSeen(tenant: string, moments: ReadonlyMap<string, number>): Promise<void>;
  /** Source addresses of devices in batches: device id to IP address. */
  deviceMoved(tenant: string, sources: ReadonlyMap<string, string>): Promise<void>;
}

/** What gateways ask for names that wildcards cover. */
export interface NameRequests {
  /** A device asks a gateway for a name. Does not reject. */
  ask(gateway: AgentRef, name: string, device: string): Promise<Named['outcome']>;
  /** Devices use these names. */
  used(gateway: AgentRef, names: readonly string[]): void;
}

/** Compiled desired state of gateways and native devices, by id. Implemented by the tenant runtime. */
export interface DesiredStates {
  /**
   * Returns the present state of an agent, or null when it does not exist. `hash` is the StateHash of `items`. Without the
   * tenant of the agent it is looked up.
   */
  current(agent: string, tenant?: string): Promise<DesiredState | null>;
  /** Called after every change of the agent's state, in revision order. Returns the unsubscribe function. */
  subscribe(agent: string, listener: (change: StateChange) => void): () => void;
}

/** The state that an agent should have, at a revision. */
export interface DesiredState {
  readonly revision: Revision;
  readonly hash: string;
  readonly items: () => StateItem[];
}

/** A change of an agent's desired state, or of its right to get one. */
export type StateChange =
  | {
      readonly kind: 'delta';
      readonly revision: Revision;
      readonly from: string;
      readonly to: string;
      readonly delta: StateDelta;
      /** A gateway may have to close something: it is told before all other agents. */
      readonly closes: boolean;
    }
  /** Re-key: the present identity ends, and the agent is refused from now on. */
  | { readonly kind: 'rekeyed' }
  /** The runtime missed a part of the log. It may have held a re-key, so the agent must be admitted again. */
  | { readonly kind: 'unknown-identity' }
  | { readonly kind: 'deleted' };

/** Present status of an agent, in memory only. */
export interface Presence {
  readonly connected: boolean;
  /** Connected with heartbeats, or gone for less than the grace time. */
  readonly alive: boolean;
  /** The agent's applied hash equals the desired one. */
  readonly converged: boolean;
  readonly lastSeen: number | null;
  readonly error: string | null;
  readonly applied: { readonly revision: Revision; readonly hash: string; readonly tookMs: number } | null;
  /** Counters of a gateway's devices. */
  readonly statistics: PeerCounters;
  readonly probes: ReadonlyMap<string, ProbeResult>;
  readonly safeToStop: boolean;
  /** Milliseconds that the clock of the agent's host is ahead; null until the first heartbeat. */
  readonly clockSkewMs: number | null;
  /** Description of the agent and its host; left out until one has connected. */
  readonly agent?: AgentDescription;
  /** What a gateway said about names in its last heartbeat; left out without names. */
  readonly names?: NameFigures;
}

/** Description of an agent and its host, as the agent reports it. */
export interface AgentDescription {
  readonly version: string;
  readonly hostname: string;
  readonly os: string;
  readonly kernel: string;
  readonly wireguard: 'kernel' | 'userspace' | 'memory';
  /** Whether the host of a gateway lets the controller ask for upgrades; left out: it does not. */
  readonly upgrades?: UpgradePermission;
}

/** Totals over the devices of a gateway. */
export interface PeerCounters {
  readonly connectedDevices: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly lastHandshake: number | null;
}

/** Limits the connections of the listener, those of agents among them. */
export interface ConnectionGuard {
  /** The connection becomes a WebSocket. Returns false when its source has too many. */
  upgrading(request: IncomingMessage, socket: Duplex): boolean;
  /** An agent has proven itself on this connection. */
  proven(socket: Duplex): void;
}

/** What a view may need of an agent beside its status. */
export type ReportKind = 'statistics' | 'probes' | 'paths';

/** The channel as the rest of the controller uses it. Agents are named by the id of their gateway or device. */
export interface Channel {
  presence(agent: string): Presence;
  /**
   * Gets what `presence`, `paths` and `relayTimes` tell of agents that are connected to other processes. `statistics`
   * are counters, clock and applied state; `paths` are times to relays too. Resolves after a second at the latest, without
   * what did not come. What was not asked for is empty.
   */
  gather(agents: readonly string[], kind: ReportKind): Promise<void>;
  /** Returns the last handshake of a device with any gateway that this process has heard of, epoch milliseconds. */
  deviceLastHandshake(device: string): number | null;
  /** Asks the agent to run all probes now. Resolves with null when no agent is connected or no answer comes in time. */
  probe(gateway: string, timeoutMs: number): Promise<readonly ProbeResult[] | null>;
  /** Returns the paths of the agent to its gateways, as it last reported them; none while it is not connected. */
  paths(agent: string): readonly PathReport[];
  /**
   * Returns round-trip times to relays that answer the agent, milliseconds by gateway id; none while it is not
   * connected.
   */
  relayTimes(agent: string): ReadonlyMap<string, number>;
  /**
   * Tells a connected agent that this peer tries to reach it from these endpoints. Returns false when it is not
   * connected.
   */
  punch(agent: string, peer: string, endpoints: readonly string[]): boolean;
  /**
   * Asks the agent of a gateway to upgrade its host. Returns false, and sends nothing, when it is not connected or its host
   * does not allow that.
   */
  askUpgrade(gateway: string, request: { readonly request: string; readonly version: string }): boolean;
  /** Called when the agent of a gateway reports an upgrade. It may report anything, any number of times. */
  onUpgrading(listener: (agent: AgentRef, progress: Omit<Upgrading, 'type'>) => void): () => void;
  /** Called when an agent reports that no packet gets through to a peer. It may name any peer, any number of times. */
  onFindPath(listener: (agent: AgentRef, request: Pick<FindPath, 'peer' | 'relay'>) => void): () => void;
  /** Called when the shown status of an agent may have changed. */
  onPresence(listener: (agent: string) => void): () => void;
  /**
   * Called when statistics and paths of an agent may have changed, and when a device has a newer handshake. Frequent: the
   * listener must return at once.
   */
  onReport(listener: (id: string, what: 'report' | 'handshake') => void): () => void;
  stop(): Promise<void>;
}

/** What the processes that share a database need of the channel of each. */
export interface LocalAgents {
  /** Another process has the agent from now on: its connection here ends. */
  lose(agent: string): void;
  /** A gateway that is connected to another process reports the source of a device about which this one decides. */
  sourceReported(tenant: string, report: SourceReport): void;
  /** Status of an agent that is or was connected here, for other processes; null: there is no such agent. */
  status(agent: string): SharedStatus | null;
  /** Lets no agent connect any more, and ends the connections some at a time, so that other processes take the agents. */
  handOver(): Promise<void>;
}

/** Status of an agent as the process that has it tells the others. */
export interface SharedStatus
  extends Pick<Presence, 'connected' | 'alive' | 'converged' | 'lastSeen' | 'error' | 'applied' | 'safeToStop'> {
  readonly agent?: AgentDescription;
  /** Interval of the agent's heartbeats, milliseconds. */
  readonly heartbeatMs: number;
  /** When the agent counts as gone by time alone, epoch milliseconds; null: the holder says when. */
  readonly until: number | null;
}

import type { GatewayIntent } from '@sallyport/contract';
import type { ProbeResult, Revision, StateDelta, StateItem } from '@sallyport/contract/channel';

/** What the channel needs to know of a gateway before it lets an agent in. */
export interface GatewayRecord {
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
  readonly intent: GatewayIntent;
  readonly wireguardPort: number;
  /** Pinned at enrolment, base64 of 32 bytes; null until then, and again after a re-key. */
  readonly identityKey: string | null;
  readonly wireguardPublicKey: string | null;
}

/** `key-taken`: a device of the tenant has the WireGuard key. */
export type EnrolOutcome = 'enrolled' | 'bad-token' | 'already-enrolled' | 'key-taken';

/**
 * What the channel asks of the rest of the controller. Implemented over the database by the gateways feature, and in
 * memory by the channel's own tests.
 */
export interface GatewayDirectory {
  /** `deleted`: an id that existed once; its agent is told to undo everything. */
  find(gateway: string): Promise<GatewayRecord | 'deleted' | null>;
  /** Checks the token's secret and pins both keys, in one transaction. */
  enrol(
    gateway: string,
    secret: string,
    keys: { identityKey: string; wireguardPublicKey: string },
  ): Promise<EnrolOutcome>;
  /** The agent moved to a host with another WireGuard key: it comes with the pinned identity. */
  wireguardKeyChanged(gateway: string, wireguardPublicKey: string): Promise<'changed' | 'key-taken'>;
  /** First time that the desired state was applied. Idempotent. */
  deployed(gateway: string, at: number): Promise<void>;
  /** Durable facts that change rarely: error reported or gone, endpoint seen. */
  observed(gateway: string, facts: { error?: string | null; discoveredEndpoint?: string | null }): Promise<void>;
  /** Last moments known online, written behind in batches. */
  lastOnline(moments: ReadonlyMap<string, number>): Promise<void>;
  /** Last handshakes of devices, written behind in batches: device id to epoch milliseconds. */
  deviceSeen(tenant: string, moments: ReadonlyMap<string, number>): Promise<void>;
  /** Source addresses of devices, written behind in batches: device id to IP address. */
  deviceMoved(tenant: string, sources: ReadonlyMap<string, string>): Promise<void>;
}

/** Compiled desired state of gateways. Implemented by the tenant runtime. */
export interface DesiredStates {
  /** State of a gateway now, or null when it does not exist. `hash` is StateHash of `items`. */
  current(gateway: string): Promise<DesiredState | null>;
  /** Called after every commit that may touch the gateway, in revision order. Returns the unsubscribe function. */
  subscribe(gateway: string, listener: (change: StateChange) => void): () => void;
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
  /** The tenant moved on without touching this gateway. */
  | { readonly kind: 'revision'; readonly revision: Revision }
  /** Re-key: the present identity ends, the agent is refused from now on. */
  | { readonly kind: 'rekeyed' }
  | { readonly kind: 'deleted' };

/** What is known of a gateway's agent right now. In memory, never in the database. */
export interface GatewayPresence {
  readonly connected: boolean;
  /** Connected, or gone for less than the grace, or heartbeats not missed yet. */
  readonly alive: boolean;
  /** The agent's applied hash equals the desired one. */
  readonly converged: boolean;
  readonly lastSeen: number | null;
  readonly error: string | null;
  readonly applied: { readonly revision: Revision; readonly hash: string; readonly tookMs: number } | null;
  readonly statistics: GatewayCounters;
  readonly probes: ReadonlyMap<string, ProbeResult>;
  readonly safeToStop: boolean;
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

export interface GatewayCounters {
  readonly connectedDevices: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly lastHandshake: number | null;
}

/** What the rest of the controller asks of the channel. */
export interface Channel {
  presence(gateway: string): GatewayPresence;
  /** Last handshake of a device with any gateway of its tenant in this process's lifetime, epoch milliseconds. */
  deviceLastHandshake(device: string): number | null;
  /** Asks the agent to probe everything now. Null when no agent is connected or none answers within the time. */
  probe(gateway: string, timeoutMs: number): Promise<readonly ProbeResult[] | null>;
  /** Called when a gateway's shown status may have changed. */
  onPresence(listener: (gateway: string) => void): () => void;
  stop(): Promise<void>;
}

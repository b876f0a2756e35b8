import type { Effect, HeartbeatData, Input, Work } from '@sallyport/agent-core';
import type { ProbeResult, Punch, StateItem } from '@sallyport/contract/channel';
import type { WireGuardBackend } from '@sallyport/wireguard';

type Items = ReadonlyMap<string, StateItem>;

/** Result of a job: the state in force. */
export interface PlaneResult {
  /** Hash of the state in force. */
  readonly hash: string;
  /** A sentence for each change by other programs. */
  readonly mended: readonly string[];
}

/** What a plane contributes to a heartbeat. */
export interface HeartbeatReading {
  readonly data: HeartbeatData;
  /** Current problem; null: none. */
  readonly drift: string | null;
}

/** Answer to a request for a name. `away`: the controller is not connected. */
export type NamingOutcome = Extract<Effect, { kind: 'named' }>['outcome'];

/** Events that a plane reports on its own. */
export type PlaneInput = Extract<
  Input,
  { kind: 'drift' | 'noticed' | 'find-path' | 'ask-name' | 'names-used' | 'posture' }
>;

/**
 * Applies an agent's state to this host: WireGuard, firewall, routes. The loop runs one `perform` at a time. The data plane
 * outlives the process, and only `down` removes it.
 */
export interface AgentPlane {
  /** Backend of WireGuard on this host; null until it is known. */
  readonly wireguardKind: WireGuardBackend['kind'] | null;
  /** Detects the backend of WireGuard. Rejects on failure and tries again with the next job. */
  detect(): Promise<void>;
  /**
   * Starts the plane. Called once, after `detect` and before everything else. The plane may then report events and read the
   * desired items. It calls `moved` when this host's addresses have changed, so that the agent drops a dead connection.
   */
  begin(tell: (input: PlaneInput) => void, desired: () => Items, moved: () => void): void;
  /** Performs a job. The agent reports rejections to the controller: see `failureOf`. */
  perform(work: Work): Promise<PlaneResult>;
  /** Returns the plane's part of a heartbeat. `applied`: whether the state was last seen in force. Does not reject. */
  heartbeat(applied: boolean): Promise<HeartbeatReading>;
  /** Runs all probes now. */
  probe(): Promise<readonly ProbeResult[]>;
  /** Handles a peer that tries to connect. */
  punch(message: Punch): void;
  /** Takes the answer to `ask-name`. Left out: the plane asks for no names. */
  named?(name: string, outcome: NamingOutcome): void;
  /** Removes everything from this host. Returns a phrase for each removed part. */
  down(): Promise<string[]>;
  /** Releases the resources of the agent. The data plane stays. */
  stop(): Promise<void>;
}

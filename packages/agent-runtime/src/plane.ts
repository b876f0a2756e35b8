import type { HeartbeatData, Input, Work } from '@sallyport/agent-core';
import type { ProbeResult, Punch, StateItem } from '@sallyport/contract/channel';
import type { WireGuardBackend } from '@sallyport/wireguard';

type Items = ReadonlyMap<string, StateItem>;

/** What is in force after a piece of work. */
export interface PlaneResult {
  /** Of the state that is in force. */
  readonly hash: string;
  /** What others had changed, a sentence each. */
  readonly mended: readonly string[];
}

/** What a plane contributes to a heartbeat. */
export interface HeartbeatReading {
  readonly data: HeartbeatData;
  /** What is seen not to be as it should; null: nothing. */
  readonly drift: string | null;
}

/** What a plane tells of its own accord. */
export type PlaneInput = Extract<Input, { kind: 'drift' | 'noticed' | 'find-path' | 'posture' }>;

/**
 * What carries out an agent's state on this host: WireGuard, firewall, routes. The loop calls `perform` one after the other.
 * The data plane itself outlives the process: only `down` undoes anything.
 */
export interface AgentPlane {
  /** How WireGuard runs here; null until it is known. */
  readonly wireguardKind: WireGuardBackend['kind'] | null;
  /** Finds out how WireGuard can run here. Rejects with what is in the way, and tries again with the next job. */
  detect(): Promise<void>;
  /**
   * Called once, before anything else but `detect`: from now on the plane may tell things, and look at the desired items. It
   * calls `moved` when this host's own addresses have changed, so that a connection that is dead by that is not waited for.
   */
  begin(tell: (input: PlaneInput) => void, desired: () => Items, moved: () => void): void;
  /** Rejections are told to the controller: see `failureOf`. */
  perform(work: Work): Promise<PlaneResult>;
  /** `applied`: whether the state was last seen in force. Does not reject. */
  heartbeat(applied: boolean): Promise<HeartbeatReading>;
  /** Probes everything now. */
  probe(): Promise<readonly ProbeResult[]>;
  /** A peer tries to reach us. */
  punch(message: Punch): void;
  /** Undoes everything on this host; says what, a phrase each. */
  down(): Promise<string[]>;
  /** Lets go of what only the agent needs; the data plane stays. */
  stop(): Promise<void>;
}

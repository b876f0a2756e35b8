import { defaultStorePace, type StorePace } from './agent-budget.ts';

/** Bounds and paces of the channel. Milliseconds, bytes or counts, as the names say. */
export interface ChannelLimits {
  /** From the upgrade to the welcome, without the time that the controller itself takes. */
  readonly handshakeMs: number;
  /** Bytes that an agent may send before it has proven itself. */
  readonly handshakeBytes: number;
  /**
   * How long a handshake may take while others wait for its place. Applies to the source with the most handshakes,
   * while others have fewer.
   */
  readonly pressureMs: number;
  readonly graceMs: number;
  /** Handshakes at the same time; further upgrades wait. */
  readonly handshakes: number;
  readonly handshakesPerSource: number;
  /** Upgrades that may wait; further ones get 503. */
  readonly waitingUpgrades: number;
  readonly waitingPerSource: number;
  /** Failed handshakes of one source before it gets 429, and the time after which one failure is forgotten. */
  readonly failures: number;
  readonly failureForgottenMs: number;
  /** Sources whose failures are remembered. */
  readonly failingSources: number;
  /** Longest frame. A heartbeat about 10,000 devices needs half of it. */
  readonly frameBytes: number;
  /** Heartbeats of devices that the controller asks for, all together. */
  readonly deviceHeartbeatsPerSecond: number;
  readonly messageBurst: number;
  readonly messagesPerSecond: number;
  readonly byteBurst: number;
  readonly bytesPerSecond: number;
  /** An agent with more than `highWater` unsent bytes gets nothing more until fewer than `lowWater` are left. */
  readonly highWater: number;
  readonly lowWater: number;
  /** The connection of an agent that reads nothing for this long is cut. */
  readonly stallMs: number;
  /** Deltas and items kept per agent, and how long after the agent left. */
  readonly historyDeltas: number;
  readonly historyItems: number;
  readonly retentionMs: number;
  /**
   * Least time between deltas. The time between deltas that close nothing doubles up to the most while changes stream in,
   * so that a thousand devices that enrol do not cost each gateway a thousand signatures.
   */
  readonly deltaGapMs: number;
  readonly mostDeltaGapMs: number;
  /** Least time between snapshots on request. */
  readonly snapshotGapMs: number;
  /** How long an agent in the desired state may take for the next change before it counts as behind. */
  readonly settleMs: number;
  readonly writeBehindMs: number;
  readonly storePace: StorePace;
}

/** Limits of the running controller. Tests override single ones. */
export const defaultLimits: ChannelLimits = {
  handshakeMs: 10_000,
  handshakeBytes: 16 * 1024,
  pressureMs: 3_000,
  graceMs: 250,
  handshakes: 512,
  handshakesPerSource: 64,
  waitingUpgrades: 20_000,
  waitingPerSource: 2_000,
  failures: 20,
  failureForgottenMs: 6_000,
  failingSources: 10_000,
  frameBytes: 4 * 1024 * 1024,
  deviceHeartbeatsPerSecond: 100,
  messageBurst: 200,
  messagesPerSecond: 100,
  byteBurst: 8 * 1024 * 1024,
  bytesPerSecond: 512 * 1024,
  highWater: 1024 * 1024,
  lowWater: 64 * 1024,
  stallMs: 60_000,
  historyDeltas: 256,
  historyItems: 5_000,
  retentionMs: 600_000,
  deltaGapMs: 20,
  mostDeltaGapMs: 320,
  snapshotGapMs: 1_000,
  settleMs: 15_000,
  writeBehindMs: 10_000,
  storePace: defaultStorePace,
};

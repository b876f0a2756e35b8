import type { Heartbeat, StateDelta, StateItem } from '@sallyport/contract/channel';
import type { PeerCounters } from './types.ts';

type PeerStatistics = Heartbeat['peers'][number];

interface Peer {
  rxBytes: number;
  txBytes: number;
  /** Epoch milliseconds by the controller's clock. */
  lastHandshake: number | null;
}

const none: PeerCounters = { connectedDevices: 0, bytesIn: 0, bytesOut: 0, lastHandshake: null };

/** WireGuard makes a new handshake every two minutes of traffic and gives a session up after three. */
const connectedMs = 180_000;

/**
 * Statistics of one gateway's devices, from heartbeats with WireGuard's own counters. Those restart at zero when a peer
 * is created again, so only their growth counts. Reports about devices outside the gateway's desired state are dropped.
 */
export class PeerStatisticsBook {
  readonly #peers = new Map<string, Peer | null>();
  #bytesIn = 0;
  #bytesOut = 0;
  #lastHandshake: number | null = null;
  #cached: { readonly second: number; readonly counters: PeerCounters } | null = null;

  /** Replaces the desired items. */
  expectOnly(items: readonly StateItem[]): void {
    const keys = new Set(items.map(({ key }) => key));
    for (const device of this.#peers.keys()) if (!keys.has(`${prefix}${device}`)) this.#peers.delete(device);
    this.expect({ upserts: items, removes: [] });
  }

  expect({ upserts, removes }: StateDelta): void {
    for (const key of removes) if (key.startsWith(prefix)) this.#peers.delete(key.slice(prefix.length));
    for (const item of upserts) if (item.kind === 'device' && !this.#peers.has(item.id)) this.#peers.set(item.id, null);
  }

  expects(device: string): boolean {
    return this.#peers.has(device);
  }

  /**
   * Records the statistics of a heartbeat. `skewMs`: how far the agent's clock is ahead. Returns devices with a newer
   * handshake than before, and its time.
   */
  record(peers: readonly PeerStatistics[], skewMs: number, now: number): Map<string, number> {
    const seen = new Map<string, number>();
    for (const report of peers) {
      const before = this.#peers.get(report.peer);
      if (before === undefined) continue;
      const handshake = report.lastHandshake === null ? null : Math.min(report.lastHandshake - skewMs, now);
      // The offset between the clocks is only as exact as the travel time of a heartbeat.
      if (handshake !== null && handshake > (before?.lastHandshake ?? 0) + 1_000) seen.set(report.peer, handshake);
      this.#bytesIn += growth(before?.rxBytes ?? 0, report.rxBytes);
      this.#bytesOut += growth(before?.txBytes ?? 0, report.txBytes);
      const lastHandshake = seen.get(report.peer) ?? before?.lastHandshake ?? null;
      this.#peers.set(report.peer, { rxBytes: report.rxBytes, txBytes: report.txBytes, lastHandshake });
      if (lastHandshake !== null) this.#lastHandshake = Math.max(this.#lastHandshake ?? 0, lastHandshake);
    }
    this.#cached = null;
    return seen;
  }

  counters(now: number): PeerCounters {
    const second = Math.floor(now / 1000);
    if (this.#cached?.second === second) return this.#cached.counters;
    let connectedDevices = 0;
    for (const peer of this.#peers.values()) {
      if (peer?.lastHandshake != null && now - peer.lastHandshake <= connectedMs) connectedDevices++;
    }
    const counters = {
      connectedDevices,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      lastHandshake: this.#lastHandshake,
    };
    this.#cached = { second, counters };
    return counters;
  }

  static readonly none: PeerCounters = none;
}

const prefix = 'device/';

function growth(before: number, now: number): number {
  return now >= before ? now - before : now;
}

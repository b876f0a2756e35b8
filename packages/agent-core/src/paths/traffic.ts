import type { PeerStatus } from '@sallyport/wireguard';

/**
 * Result for the traffic of a peer, without our own probes. `silent`: packets were sent, and almost nothing came back.
 * `null`: too little was sent for a result.
 */
export type Answers = 'answered' | 'silent' | null;

/** Evaluates the counters of a peer, without our own probes and WireGuard's own packets. */
export class Traffic {
  #txBytes: number | null = null;
  #probes = 0;
  #activeUntil = -Infinity;
  #window: Window | null = null;

  /** Records a probe to this address. */
  probed(address = ''): void {
    this.#probes += 1;
    if (this.#window !== null) this.#window.ownTx += address.includes(':') ? 112 : 96;
  }

  /** Records the expected refusal of a probe to this address. */
  refused(address: string): void {
    if (this.#window !== null) this.#window.ownRx += address.includes(':') ? 96 : 80;
  }

  /** Records a connection of our own, which ends at once. */
  tried(): void {
    if (this.#window === null) return;
    this.#window.ownTx += connectionBytes;
    this.#window.ownRx += connectionBytes;
  }

  /** Handles a reading. Returns true if the path carries traffic, or did so recently. */
  seen(status: PeerStatus | null, now: number): boolean {
    const before = this.#txBytes;
    this.#txBytes = status?.txBytes ?? null;
    const own = this.#probes * probeBytes + idleBytes;
    this.#probes = 0;
    if (before !== null && status !== null && status.txBytes - before > own) this.#activeUntil = now + lingerMs;
    return now < this.#activeUntil;
  }

  /** Returns the result. Call it after every reading of the device. */
  answers(status: PeerStatus | null, now: number): Answers {
    const window = this.#window;
    const isOther = window === null || status === null || status.rxBytes < window.rxBytes;
    if (isOther || status.txBytes < window.txBytes) {
      this.#window = status === null ? null : windowAt(status, now);
      return null;
    }
    if (now - window.at < shortestMs) return null;
    const answers = judge(window, status);
    if (answers !== null || now - window.at >= longestMs) this.#window = windowAt(status, now);
    return answers;
  }
}

interface Window {
  readonly at: number;
  readonly txBytes: number;
  readonly rxBytes: number;
  readonly lastHandshake: number | null;
  ownTx: number;
  ownRx: number;
}

function windowAt({ txBytes, rxBytes, lastHandshake }: PeerStatus, at: number): Window {
  return { at, txBytes, rxBytes, lastHandshake, ownTx: 0, ownRx: 0 };
}

/**
 * ICMP errors arrive even when no host answers. They are small, and hosts send few of them. Uploads get many small
 * answers.
 */
function judge(window: Window, status: PeerStatus): Answers {
  const handshake = status.lastHandshake === window.lastHandshake ? 0 : handshakeBytes;
  // Allow one more probe, because the reading may precede the count of its packet.
  const out = status.txBytes - window.txBytes - window.ownTx - handshake - probeBytes;
  const back = status.rxBytes - window.rxBytes - window.ownRx - handshake - probeBytes;
  if (back > 0 && (back > errorBytes || 2 * back > out)) return 'answered';
  return out > idleBytes ? 'silent' : null;
}

/** Bytes of a TCP SYN with options over IPv6, padded and encrypted. A refusal sends no further packet. */
const probeBytes = 112;
/** Bytes of a keepalive, with a margin. */
const idleBytes = 48;
const handshakeBytes = 148;
/** At most four small packets in each direction. */
const connectionBytes = 400;
const errorBytes = 1_024;
const lingerMs = 5_000;
/** Limits of the interval. In a shorter one, answers may still be on the way. A longer one hides the end of answers. */
const shortestMs = 700;
const longestMs = 4_000;

/** Returns whether the peer sent something between two readings. A new peer's counters start at zero. */
export function hasGrown(before: PeerStatus | null, status: PeerStatus): boolean {
  if (status.rxBytes === 0 && status.lastHandshake === null) return false;
  return before === null || status.rxBytes !== before.rxBytes || status.lastHandshake !== before.lastHandshake;
}

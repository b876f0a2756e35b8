import type { PeerStatus } from '@sallyport/wireguard';

/**
 * What comes back for what goes out to a peer, beside our own probes. `silent`: packets went out, and next to nothing came
 * back. `null`: too little went out to tell.
 */
export type Answers = 'answered' | 'silent' | null;

/** Traffic of a peer by its counters, without our own probes and what WireGuard sends by itself. */
export class Traffic {
  #txBytes: number | null = null;
  #probes = 0;
  #activeUntil = -Infinity;
  #window: Window | null = null;

  /** A probe goes out to this address. */
  probed(address = ''): void {
    this.#probes += 1;
    if (this.#window !== null) this.#window.ownTx += address.includes(':') ? 112 : 96;
  }

  /** A probe to this address was refused, as it should be. */
  refused(address: string): void {
    if (this.#window !== null) this.#window.ownRx += address.includes(':') ? 96 : 80;
  }

  /** We make a connection ourselves, and end it at once. */
  tried(): void {
    if (this.#window === null) return;
    this.#window.ownTx += connectionBytes;
    this.#window.ownRx += connectionBytes;
  }

  /** The device was looked at. True: the path carries traffic, or has a moment ago. */
  seen(status: PeerStatus | null, now: number): boolean {
    const before = this.#txBytes;
    this.#txBytes = status?.txBytes ?? null;
    const own = this.#probes * probeBytes + idleBytes;
    this.#probes = 0;
    if (before !== null && status !== null && status.txBytes - before > own) this.#activeUntil = now + lingerMs;
    return now < this.#activeUntil;
  }

  /** To be asked with every look at the device. */
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
 * ICMP errors come back also when nothing answers. They are no larger than small packets, and hosts send few of them. Uploads
 * get many small answers.
 */
function judge(window: Window, status: PeerStatus): Answers {
  const handshake = status.lastHandshake === window.lastHandshake ? 0 : handshakeBytes;
  // One probe more, because the look may lie between the packet and the moment that it is counted.
  const out = status.txBytes - window.txBytes - window.ownTx - handshake - probeBytes;
  const back = status.rxBytes - window.rxBytes - window.ownRx - handshake - probeBytes;
  if (back > 0 && (back > errorBytes || 2 * back > out)) return 'answered';
  return out > idleBytes ? 'silent' : null;
}

/** A TCP SYN with options over IPv6, padded and wrapped; nothing is sent when it is refused. */
const probeBytes = 112;
/** A keepalive, and a little. */
const idleBytes = 48;
const handshakeBytes = 148;
/** Four small packets each way at most. */
const connectionBytes = 400;
const errorBytes = 1_024;
const lingerMs = 5_000;
/** A shorter time tells nothing, because answers may be on their way. A longer one hides when answers ended. */
const shortestMs = 700;
const longestMs = 4_000;

import type { PeerStatus } from '@sallyport/wireguard';

/** Whether more goes out to a peer than our own probes and what WireGuard sends by itself. */
export class Traffic {
  #txBytes: number | null = null;
  #probes = 0;
  #activeUntil = -Infinity;

  /** A probe goes out. */
  probed(): void {
    this.#probes += 1;
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
}

/** A TCP SYN with options over IPv6, padded and wrapped; nothing is sent when it is refused. */
const probeBytes = 112;
/** A keepalive, and a little. */
const idleBytes = 48;
const lingerMs = 5_000;

import type { PeerStatus } from '@sallyport/wireguard';

interface Heard {
  rxBytes: number;
  /**
   * Whether the device sent more than an idle one, and sent something before every reading since. What it sent before the
   * first reading counts: it may have fallen silent by then. After a restart of the agent, this costs one keepalive.
   */
  inUse: boolean;
  /** Start of the silence. */
  silentSince: number;
}

/** Reaction to a reading of a device of a gateway. */
export type Silence = 'sudden' | 'long' | null;

/**
 * Detects devices that fall silent. An active device sends several times a second. Sudden silence means that it stopped, or
 * that our own NAT blocks it. In the second case we must send to it, and the controller may not reach us either.
 */
export class SilenceWatch {
  #heard = new Map<string, Heard>();

  keep(devices: ReadonlySet<string>): void {
    for (const device of this.#heard.keys()) if (!devices.has(device)) this.#heard.delete(device);
  }

  /** Whether any device uses its tunnel, which justifies frequent readings. */
  get isBusy(): boolean {
    for (const { inUse } of this.#heard.values()) if (inUse) return true;
    return false;
  }

  seen(device: string, { rxBytes }: PeerStatus, now: number): Silence {
    const heard = this.#heard.get(device);
    if (heard === undefined || heard.rxBytes !== rxBytes) {
      const inUse = heard?.inUse === true || rxBytes - (heard?.rxBytes ?? 0) >= usedBytes;
      this.#heard.set(device, { rxBytes, inUse, silentSince: now });
      return null;
    }
    const sudden = heard.inUse;
    heard.inUse = false;
    if (sudden) return 'sudden';
    if (now - heard.silentSince < longMs) return null;
    heard.silentSince = now;
    return 'long';
  }
}

/** Bytes of three packets. An idle device sends one packet between two readings. */
const usedBytes = 250;
/** A native device sends every five seconds. */
const longMs = 6_000;

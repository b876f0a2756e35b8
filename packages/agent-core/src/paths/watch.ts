import type { PeerStatus } from '@sallyport/wireguard';

interface Heard {
  rxBytes: number;
  /** Whether more has come than from a device that only keeps its path, and something at every look since then. */
  inUse: boolean;
  /** Since when nothing has. */
  silentSince: number;
}

/** What a look at a device of a gateway calls for. */
export type Silence = 'sudden' | 'long' | null;

/**
 * Notices devices that fall silent. A device that uses its tunnel is heard several times a second, so sudden silence means that
 * it has stopped, or that our own NAT no longer lets it in: then it must hear from us, and the controller may not reach us
 * either.
 */
export class SilenceWatch {
  #heard = new Map<string, Heard>();

  keep(devices: ReadonlySet<string>): void {
    for (const device of this.#heard.keys()) if (!devices.has(device)) this.#heard.delete(device);
  }

  /** Whether any device uses its tunnel: then it is worth to look often. */
  get isBusy(): boolean {
    for (const { inUse } of this.#heard.values()) if (inUse) return true;
    return false;
  }

  seen(device: string, { rxBytes }: PeerStatus, now: number): Silence {
    const heard = this.#heard.get(device);
    if (heard === undefined || heard.rxBytes !== rxBytes) {
      const inUse = heard !== undefined && (heard.inUse || rxBytes - heard.rxBytes >= usedBytes);
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

/** Three packets: between two looks, an idle device sends one. */
const usedBytes = 250;
/** A native device is heard every five seconds. */
const longMs = 6_000;

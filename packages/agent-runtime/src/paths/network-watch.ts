import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';

/**
 * Calls `changed` when this host's addresses or default routes change. It polls with two small reads, because a monitor
 * process could end. Polling delays a change by at most one interval.
 */
export class NetworkWatch {
  readonly #timer: NodeJS.Timeout;
  #seen: string | null = null;
  #looking = false;

  /** `own`: interface of the tunnel, which is ignored. */
  constructor(own: string, changed: () => void, everyMs = 400) {
    const look = async (): Promise<void> => {
      if (this.#looking) return;
      this.#looking = true;
      // Ignored: the next poll reads it again.
      const now = await fingerprint(own).catch(() => this.#seen);
      this.#looking = false;
      const before = this.#seen;
      this.#seen = now;
      if (before !== null && before !== now) changed();
    };
    void look();
    this.#timer = setInterval(() => void look(), everyMs).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

async function fingerprint(own: string): Promise<string> {
  const addresses = Object.entries(networkInterfaces())
    .filter(([name]) => name !== own && name !== 'lo')
    .flatMap(([name, list]) => (list ?? []).map(({ cidr }) => `${name} ${cidr}`))
    // Links of containers come and go and do not matter.
    .filter((text) => !/ (fe80:|169\.254\.)/i.test(text))
    .sort();
  return JSON.stringify([addresses, await defaultRoutes(own)]);
}

/** Returns a text of the default routes outside the tunnel. */
export async function defaultRoutes(own: string): Promise<DefaultRoute[]> {
  const [v4, v6] = await Promise.all(
    ['/proc/net/route', '/proc/net/ipv6_route'].map((path) => readFile(path, 'utf8').catch(() => '')),
  );
  return [...parseRoutes4(v4 ?? ''), ...parseRoutes6(v6 ?? '')].filter((route) => route.interface !== own);
}

/** A default route of the host, as `/proc/net/route` or `/proc/net/ipv6_route` shows it. */
export interface DefaultRoute {
  readonly family: 4 | 6;
  readonly interface: string;
  /** Raw text of the kernel, only for comparison. */
  readonly via: string;
  readonly metric: number;
}

/** `/proc/net/route`: hexadecimal, a header line first. */
export function parseRoutes4(text: string): DefaultRoute[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line): DefaultRoute[] => {
      const [name, destination, via, , , , metric, mask] = line.split('\t').map((field) => field.trim());
      if (name === undefined || via === undefined || destination !== '00000000' || mask !== '00000000') return [];
      return [{ family: 4, interface: name, via, metric: Number(metric) }];
    });
}

/** `/proc/net/ipv6_route`. The kernel lists an unreachable default route on `lo` when there is none. */
export function parseRoutes6(text: string): DefaultRoute[] {
  return text.split('\n').flatMap((line): DefaultRoute[] => {
    const [destination, length, , , via, metric, , , , name] = line.trim().split(/\s+/);
    if (name === undefined || via === undefined || name === 'lo') return [];
    if (!/^0{32}$/.test(destination ?? '') || length !== '00') return [];
    return [{ family: 6, interface: name, via, metric: Number.parseInt(metric ?? '', 16) }];
  });
}

import { execFile } from 'node:child_process';

/** Packets that the rules of this host's agents have dropped, and when that was read. */
export interface DropReading {
  readonly packets: number;
  /** Milliseconds of `performance.now()`. */
  readonly at: number;
}

/** Drops per second below which a new version is not judged: scans and strays come and go. */
const noise = 20;

/** How many times the old rate is too much. */
const factor = 4;

/** Reads how many packets were dropped; null when nft says nothing. The kernel counts, whatever version runs. */
export async function readDrops(): Promise<DropReading | null> {
  const text = await new Promise<string | null>((resolve) => {
    execFile('nft', ['-j', 'list', 'counters'], { maxBuffer: 1 << 26, timeout: 10_000 }, (error, stdout) =>
      resolve(error === null ? stdout : null),
    );
  });
  const packets = text === null ? null : droppedOf(text);
  return packets === null ? null : { packets, at: performance.now() };
}

/** Sums the counters `drop_…` of tables of Sallyport in the output of `nft -j list counters`. */
export function droppedOf(text: string): number | null {
  let sum = 0;
  try {
    const { nftables } = JSON.parse(text) as { nftables: { counter?: Record<string, unknown> }[] };
    for (const { counter } of nftables) {
      const { table, name, packets } = counter ?? {};
      if (String(table).startsWith('sallyport') && String(name).startsWith('drop_')) sum += Number(packets);
    }
  } catch {
    return null;
  }
  return Number.isFinite(sum) ? sum : null;
}

/** Returns the drops per second between two readings. A new table begins to count at 0. */
export function rateOf(from: DropReading | null, to: DropReading | null): number | null {
  if (from === null || to === null || to.at <= from.at) return null;
  const packets = to.packets >= from.packets ? to.packets - from.packets : to.packets;
  return (packets * 1000) / (to.at - from.at);
}

/** Returns why a rate of drops is a fault of the new version; null when it is none, or cannot be judged. */
export function dropFault(before: number | null, now: number | null): string | null {
  if (before === null || now === null || now <= Math.max(noise, before * factor)) return null;
  return `it drops ${Math.round(now)} packets a second, and the old version dropped ${Math.round(before)}`;
}

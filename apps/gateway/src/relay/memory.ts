import type { StateDirectory } from '@sallyport/agent-runtime';
import type { Learned } from './pair.ts';

/** Serialises learned addresses for the disk, so that a new process continues where the kernel already forwards. */
export function formatLearned(learned: ReadonlyMap<string, Learned>): string {
  return JSON.stringify(Object.fromEntries(learned));
}

/** Parses learned addresses; none when the file is missing or damaged, since handshakes restore them. */
export async function readLearned(directory: StateDirectory): Promise<Map<string, Learned>> {
  try {
    const entries = Object.entries(JSON.parse((await directory.read('relay.json')) ?? '{}') as Record<string, unknown>);
    return new Map(entries.filter((entry): entry is [string, Learned] => isLearned(entry[1])));
  } catch {
    return new Map();
  }
}

function isLearned(value: unknown): value is Learned {
  return Array.isArray(value) && value.length === 2 && value.every((one) => one === null || isAddress(one));
}

function isAddress(value: unknown): boolean {
  return typeof value === 'string' && /^(\[[0-9a-f:.]+\]|[0-9.]+):\d{1,5}$/i.test(value);
}

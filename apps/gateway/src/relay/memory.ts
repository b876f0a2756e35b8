import type { StateDirectory } from '@sallyport/agent-runtime';
import type { Learned } from './pair.ts';

/** Learned addresses as text for the disk: a new process goes on where the kernel already forwards. */
export function formatLearned(learned: ReadonlyMap<string, Learned>): string {
  return JSON.stringify(Object.fromEntries(learned));
}

/** Nothing when there is no file, or it is damaged: then handshakes tell again. */
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

import type { StateDirectory } from '@sallyport/agent-runtime';
import { parseAddress } from '@sallyport/ip';
import type { Known, NameState } from './resolver.ts';

/**
 * Serialises answers for the disk, so that a new process translates as the old one did. Lets queries and changes pass
 * in between, because there may be many names.
 */
export async function formatAnswers(states: ReadonlyMap<string, NameState>): Promise<string> {
  const texts: string[] = [];
  for (const [name, state] of states) {
    texts.push(`${JSON.stringify(name)}:${textOf(state)}`);
    if (texts.length % namesAtOnce === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return `{${texts.join(',')}}`;
}

const namesAtOnce = 250;

/** Most answers are the same as at the last time, and states never change. */
const known = new WeakMap<NameState, string>();

function textOf(state: NameState): string {
  const before = known.get(state);
  if (before !== undefined) return before;
  const text = JSON.stringify({ A: state.A, AAAA: state.AAAA });
  known.set(state, text);
  return text;
}

/** Parses answers; none when the file is missing or damaged, because resolvers give them again. */
export async function readAnswers(directory: StateDirectory): Promise<Map<string, NameState>> {
  try {
    const text = (await directory.read('names.json')) ?? '{}';
    const entries = Object.entries(JSON.parse(text) as Record<string, Record<string, unknown>>);
    return new Map(
      entries.map(([name, { A, AAAA }]) => [name, { A: knownOf(A, 4), AAAA: knownOf(AAAA, 6), fault: null }]),
    );
  } catch {
    return new Map();
  }
}

function knownOf(value: unknown, family: 4 | 6): Known | null {
  if (typeof value !== 'object' || value === null) return null;
  const { addresses, at } = value as Record<string, unknown>;
  if (!Array.isArray(addresses) || typeof at !== 'number') return null;
  const own = addresses.filter((text) => typeof text === 'string' && parseAddress(text)?.family === family);
  return { addresses: own as string[], at };
}

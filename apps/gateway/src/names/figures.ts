import type { NameFigures } from '@sallyport/contract/channel';
import type { NameState } from './resolver.ts';

const results = ['noerror', 'formerr', 'servfail', 'nxdomain', 'notimp', 'refused'];

/** Counts what a gateway is asked about names, and what it asks. Counts begin at zero with the process. */
export class Figures {
  readonly #queries = new Map<string, number>();
  readonly #asked = { answered: 0, failed: 0, ms: 0 };

  /** Counts a query by its answer; null: it got none. */
  answered(answer: Uint8Array | null): void {
    const result = answer === null ? 'ignored' : (results[(answer[3] ?? 0) & 0x0f] ?? 'other');
    this.#queries.set(result, (this.#queries.get(result) ?? 0) + 1);
  }

  /** Counts a question to a resolver, and the time until it answered or failed. */
  asked(answered: boolean, ms: number): void {
    this.#asked[answered ? 'answered' : 'failed'] += 1;
    this.#asked.ms += Math.max(0, ms);
  }

  /** Returns the counts, with the number of names that resolve and that do not. */
  of(states: ReadonlyMap<string, NameState>): NameFigures {
    const resolved = states.values().reduce((count, state) => count + (hasAddress(state) ? 1 : 0), 0);
    const asked = { ...this.#asked, ms: Math.round(this.#asked.ms) };
    return { resolved, unresolved: states.size - resolved, queries: Object.fromEntries(this.#queries), asked };
  }
}

function hasAddress({ A, AAAA }: NameState): boolean {
  return (A?.addresses.length ?? 0) + (AAAA?.addresses.length ?? 0) > 0;
}

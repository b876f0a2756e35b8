import type { AgentHolders } from '../claims.ts';

interface Held {
  readonly replica: string;
  readonly generation: number;
  readonly at: number;
}

/** Who has which agent, in memory, as a database holds it for several controllers. */
export class MemoryHolders {
  readonly #clock: () => number;
  readonly #held = new Map<string, Held>();
  /** The database is away. */
  broken = false;
  /** Numbers of agents that were claimed together, in order. */
  readonly batches: number[] = [];

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  holder(agent: string): string | undefined {
    return this.#held.get(agent)?.replica;
  }

  /** The database as one controller uses it. */
  of(replica: string): AgentHolders {
    return {
      claim: async (agents) => {
        this.#check();
        this.batches.push(agents.length);
        return agents.map(({ agent }) => {
          const before = this.#held.get(agent);
          const generation = (before?.generation ?? 0) + 1;
          this.#held.set(agent, { replica, generation, at: this.#clock() });
          return { agent, generation, former: before?.replica ?? null };
        });
      },
      since: async (moment) => {
        this.#check();
        return [...this.#held].flatMap(([agent, held]) => (held.at < moment ? [] : [{ agent, ...held }]));
      },
    };
  }

  #check(): void {
    if (this.broken) throw new Error('the database is away');
  }
}

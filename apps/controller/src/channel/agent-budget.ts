import { Allowance } from './allowance.ts';

/** How often one agent, and all agents of a tenant together, may cause a write to the store. */
export interface StorePace {
  readonly perAgent: { readonly burst: number; readonly perSecond: number };
  readonly perTenant: { readonly burst: number; readonly perSecond: number };
}

/** Enough for the reports of a sound agent at its start, and for whole tenants that start at once. */
export const defaultStorePace: StorePace = {
  perAgent: { burst: 20, perSecond: 1 / 30 },
  perTenant: { burst: 5_000, perSecond: 20 },
};

/** Agents and tenants whose pace is remembered. A forgotten one begins with a full burst. */
const remembered = 200_000;

/** Token buckets over all writes that agents cause. */
export class AgentBudget {
  readonly #pace: StorePace;
  readonly #clock: () => number;
  readonly #buckets = new Map<string, Allowance>();

  constructor(pace: StorePace, clock: () => number) {
    this.#pace = pace;
    this.#clock = clock;
  }

  /**
   * Spends one write of this kind from the budgets of the agent and its tenant. Returns false when one of them is
   * empty.
   */
  spend(kind: 'facts' | 'key', tenant: string, agent: string): boolean {
    const now = this.#clock();
    const { perAgent, perTenant } = this.#pace;
    // The agent first: an agent with an empty budget takes nothing from the others of its tenant.
    return (
      this.#bucket(`${kind} ${agent}`, perAgent, now).take(1, now) === 0 &&
      this.#bucket(`${kind} of ${tenant}`, perTenant, now).take(1, now) === 0
    );
  }

  #bucket(key: string, { burst, perSecond }: StorePace['perAgent'], now: number): Allowance {
    const bucket = this.#buckets.get(key) ?? new Allowance(burst, perSecond, now);
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    const oldest = this.#buckets.keys().next();
    if (this.#buckets.size > remembered && !oldest.done) this.#buckets.delete(oldest.value);
    return bucket;
  }
}

import { Allowance } from './allowance.ts';

/** How often one agent, and all agents of a tenant together, may have something stored on their own account. */
export interface StorePace {
  readonly perAgent: { readonly burst: number; readonly perSecond: number };
  readonly perTenant: { readonly burst: number; readonly perSecond: number };
}

/** Enough for what a sound agent tells when it starts, and for whole tenants that start at once. */
export const defaultStorePace: StorePace = {
  perAgent: { burst: 20, perSecond: 1 / 30 },
  perTenant: { burst: 5_000, perSecond: 20 },
};

/** Agents and tenants whose pace is remembered; one that is forgotten begins with a full burst. */
const remembered = 200_000;

/** Token buckets over everything that agents can cause to be stored. */
export class AgentBudget {
  readonly #pace: StorePace;
  readonly #clock: () => number;
  readonly #buckets = new Map<string, Allowance>();

  constructor(pace: StorePace, clock: () => number) {
    this.#pace = pace;
    this.#clock = clock;
  }

  /** Takes one write of this kind off what the agent and its tenant may; false when there is none left. */
  spend(kind: 'facts' | 'key', tenant: string, agent: string): boolean {
    const now = this.#clock();
    const { perAgent, perTenant } = this.#pace;
    // The agent first: one that has used up its own takes nothing from the others of its tenant.
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

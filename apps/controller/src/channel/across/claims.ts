import type { Replicas } from '../../replicas/types.ts';
import type { Log } from '../log.ts';
import type { Timers } from '../timers.ts';
import type { AgentRef } from '../types.ts';

/** Which process has which agent, as the database holds it. */
export interface AgentHolders {
  /** Makes this process the only holder of agents, each named once. `former` had the agent before. */
  claim(
    agents: readonly { readonly agent: string; readonly tenant: string }[],
  ): Promise<readonly { readonly agent: string; readonly generation: number; readonly former: string | null }[]>;
  /** Claims of all processes since a moment of the database. */
  since(
    moment: number,
  ): Promise<
    readonly { readonly agent: string; readonly replica: string; readonly generation: number; readonly at: number }[]
  >;
}

/** What claims use, and what they tell. */
export interface ClaimsHost {
  readonly holders: AgentHolders;
  readonly replicas: Pick<Replicas, 'self' | 'tell' | 'handle'>;
  /** Time of the database, epoch milliseconds. */
  readonly clock: () => number;
  readonly timers: Timers;
  readonly log: Log;
  /** Another process has the agent from now on. */
  readonly lost: (agent: string) => void;
}

/** Claims that come within this time are made together. */
const gatherMs = 5;
const mostTogether = 500;
/** Time between looks for claims of which no message came. */
const checkMs = 3_000;
/** A claim shows in the database at most this long after the time that it bears. */
const lateMs = 10_000;
const mostHeard = 100_000;
const topic = 'agents-taken';

interface Waiting {
  readonly ref: AgentRef;
  readonly resolve: (generation: number) => void;
  readonly reject: (error: unknown) => void;
}

interface Own {
  readonly ref: AgentRef;
  readonly generation: number;
}

/**
 * Agents that this process has, and no other. A claim takes an agent from the process that had it. That one is told, and
 * looks every few seconds as well, because a message may get lost.
 */
export class Claims {
  readonly #host: ClaimsHost;
  readonly #own = new Map<string, Own>();
  /** The newest generation that another process is known to have, by agent. */
  readonly #heard = new Map<string, number>();
  #waiting: Waiting[] = [];
  #cancel: () => void = () => {};
  #since: number;
  #stopped = false;

  constructor(host: ClaimsHost) {
    this.#host = host;
    this.#since = host.clock() - lateMs;
    host.replicas.handle(topic, (body) => {
      for (const [agent, generation] of readTaken(body)) this.#taken(agent, generation);
    });
    this.#checkLater();
  }

  /** Makes this process the only holder. Returns the generation of the claim. Rejects when that cannot be made sure of. */
  claim(ref: AgentRef): Promise<number> {
    if (this.#waiting.length === 0) this.#host.timers.after(gatherMs, () => this.#flush());
    const claimed = new Promise<number>((resolve, reject) => this.#waiting.push({ ref, resolve, reject }));
    if (this.#waiting.length === mostTogether) this.#flush();
    return claimed;
  }

  /** Generation of the claim of an agent that this process has, or undefined. */
  generation(agent: string): number | undefined {
    return this.#own.get(agent)?.generation;
  }

  /** An agent that this process has. */
  held(agent: string): (AgentRef & { readonly generation: number }) | null {
    const own = this.#own.get(agent);
    return own === undefined ? null : { ...own.ref, generation: own.generation };
  }

  /** The agent was deleted. */
  forget(agent: string): void {
    this.#own.delete(agent);
    this.#heard.delete(agent);
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  #flush(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    if (waiting.length === 0) return;
    const byAgent = Map.groupBy(waiting, ({ ref }) => ref.id);
    const wanted = [...byAgent.values()].flatMap(([one]) =>
      one === undefined ? [] : [{ agent: one.ref.id, tenant: one.ref.tenant }],
    );
    this.#host.holders.claim(wanted).then(
      (claimed) => {
        const generations = new Map(claimed.map(({ agent, generation }) => [agent, generation]));
        for (const [agent, all] of byAgent) this.#settle(agent, all, generations.get(agent));
        this.#tellFormer(claimed);
      },
      (error: unknown) => {
        for (const { reject } of waiting) reject(error);
      },
    );
  }

  #settle(agent: string, waiting: readonly Waiting[], generation: number | undefined): void {
    const [first] = waiting;
    if (first === undefined) return;
    if (generation === undefined || generation < (this.#heard.get(agent) ?? 0)) {
      for (const { reject } of waiting) reject(new Error('another controller has the agent already'));
      return;
    }
    const known = this.#own.get(agent);
    if (known === undefined || known.generation < generation) this.#own.set(agent, { ref: first.ref, generation });
    for (const { resolve } of waiting) resolve(generation);
  }

  #tellFormer(claimed: Awaited<ReturnType<AgentHolders['claim']>>): void {
    const { replicas } = this.#host;
    for (const [former, agents] of Map.groupBy(claimed, (one) => one.former))
      if (former !== null && former !== replicas.self.id)
        replicas.tell(
          former,
          topic,
          agents.map(({ agent, generation }) => [agent, generation]),
        );
  }

  #taken(agent: string, generation: number): void {
    if ((this.#heard.get(agent) ?? 0) >= generation) return;
    this.#heard.delete(agent);
    this.#heard.set(agent, generation);
    const oldest = this.#heard.size > mostHeard ? this.#heard.keys().next().value : undefined;
    if (oldest !== undefined) this.#heard.delete(oldest);
    const own = this.#own.get(agent);
    if (own === undefined || own.generation >= generation) return;
    this.#own.delete(agent);
    this.#host.lost(agent);
  }

  #checkLater(): void {
    this.#cancel = this.#host.timers.after(checkMs, () => {
      void this.#check()
        .catch((err: unknown) => this.#host.log.warn({ err }, 'could not look which agents other controllers have'))
        .then(() => {
          if (!this.#stopped) this.#checkLater();
        });
    });
  }

  async #check(): Promise<void> {
    const { holders, replicas, clock } = this.#host;
    if (this.#own.size === 0) {
      this.#since = Math.max(this.#since, clock() - lateMs);
      return;
    }
    const claims = await holders.since(this.#since);
    for (const { agent, replica, generation, at } of claims) {
      if (replica !== replicas.self.id) this.#taken(agent, generation);
      this.#since = Math.max(this.#since, at - lateMs);
    }
  }
}

function readTaken(body: unknown): (readonly [agent: string, generation: number])[] {
  if (!Array.isArray(body)) return [];
  return body.flatMap((one: unknown) => {
    const [agent, generation] = Array.isArray(one) ? (one as unknown[]) : [];
    return typeof agent === 'string' && Number.isSafeInteger(generation)
      ? [[agent, generation as number] as const]
      : [];
  });
}

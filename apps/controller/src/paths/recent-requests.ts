import { renew } from './renew.ts';

/** An agent looks for a peer. */
export interface PathRequest {
  readonly tenant: string;
  readonly agent: string;
  readonly peer: string;
}

/** Number of agents that are remembered, and of peers for each. */
const rememberedAgents = 20_000;
const rememberedPeers = 256;

/** Recent requests, found by either end. Times in milliseconds of one clock. */
export class RecentRequests {
  readonly #keptMs: number;
  readonly #byEnd = new Map<string, Map<string, { readonly request: PathRequest; readonly at: number }>>();

  constructor(keptMs: number) {
    this.#keptMs = keptMs;
  }

  add(request: PathRequest, now: number): void {
    for (const [end, other] of [
      [request.agent, request.peer],
      [request.peer, request.agent],
    ] as const) {
      const others = this.#byEnd.get(end) ?? new Map();
      renew(others, other, { request, at: now }, rememberedPeers);
      renew(this.#byEnd, end, others, rememberedAgents);
    }
  }

  of(end: string, now: number): PathRequest[] {
    const others = this.#byEnd.get(end) ?? new Map();
    return [...others.values()].filter(({ at }) => now - at <= this.#keptMs).map(({ request }) => request);
  }
}

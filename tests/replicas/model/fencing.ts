import type { AgentSession, Work } from '@sallyport/agent-core';
import { type StateItem, statementText } from '@sallyport/contract/channel';
import type { TestAgent } from '../../protocol/agent.ts';
import type { ProcessWatch } from '../../protocol/process-watch.ts';

/** What the checks of fencing are told of. Times in milliseconds. */
export interface FencingHost {
  readonly now: () => number;
  /** Whether a controller reaches the database, and since when. Null: time is not judged, because it is real. */
  readonly reach: (controller: number) => { readonly reachable: boolean; readonly since: number } | null;
  readonly violated: (what: string) => void;
}

/** Time in which a process must notice that another one has an agent: its look at all claims, and a moment. */
const noticedMs = 3_500;
/** Length of leases: short, so that many are signed. */
export const leaseMs = 60_000;
/** How wrong the clock of a process may be. */
const wrongMs = 1_000;
/** Claims of one agent, and signed texts, that are kept. */
const [mostClaims, mostTexts] = [20, 50_000];

/** Nothing is ever too late. */
const untimed = { reachable: true, since: Number.POSITIVE_INFINITY };

interface Claim {
  readonly process: object;
  readonly generation: number;
  readonly at: number;
}

/**
 * Checks that one process acts for an agent at a time, beyond the time in which a former one notices, and that an agent
 * never goes back: not to a former holder, not to an older revision, not to what was revoked.
 */
export class Fencing {
  readonly #host: FencingHost;
  readonly #claims = new Map<string, Claim[]>();
  /** Generation of the process that signed a text. */
  readonly #signers = new Map<string, number>();
  readonly #floors = new WeakMap<AgentSession, { readonly revision: number; readonly generation: number }>();
  readonly #revoked = new Set<string>();
  /** Counts what was checked. */
  readonly checked = { signed: 0, acted: 0, overlaps: 0 };

  constructor(host: FencingHost) {
    this.#host = host;
  }

  /** Returns what hears a process of a controller, from its start to its end. */
  watch(controller: number): ProcessWatch {
    const process = {};
    return {
      claimed: (agent, generation) => this.#claimed(process, agent, generation),
      signed: (text) => this.#signed(process, controller, text),
    };
  }

  /** Objects that were deleted, and are in the state of no agent any more. */
  revoked(ids: Iterable<string>): void {
    for (const id of ids) this.#revoked.add(id);
  }

  /** An agent acts. One life of its process is one session. */
  acted({ id, session }: TestAgent, work: Work): void {
    const statement = session?.desired.statement;
    if (work.kind === 'close' || session === null || !statement) return;
    this.checked.acted++;
    for (const item of work.items.values())
      for (const named of idsIn(item))
        if (this.#revoked.has(named))
          this.#host.violated(`${id} acts again on ${named}, which was deleted (${item.key})`);
    const { revision, generation } = this.#floors.get(session) ?? { revision: 0, generation: 0 };
    const now = statement.revision.number;
    if (now < revision) this.#host.violated(`${id} went back from revision ${revision} to ${now}`);
    const signer = this.#signers.get(statementText(statement)) ?? generation;
    if (signer < generation)
      this.#host.violated(`${id} acts by generation ${signer} after it has acted by ${generation}`);
    this.#floors.set(session, { revision: Math.max(revision, now), generation: Math.max(generation, signer) });
  }

  #claimed(process: object, agent: string, generation: number): void {
    const claims = this.#claims.get(agent) ?? [];
    this.#claims.set(agent, claims);
    const same = claims.find((claim) => claim.generation === generation);
    if (same !== undefined && same.process !== process)
      this.#host.violated(`two processes have generation ${generation} of ${agent}`);
    claims.push({ process, generation, at: this.#host.now() });
    if (claims.length > mostClaims) claims.shift();
  }

  #signed(process: object, controller: number, text: string): void {
    const [what, agent = '', , , , , leaseUntil] = text.split('\n');
    if (what !== 'sallyport-state') return;
    this.checked.signed++;
    const claims = this.#claims.get(agent) ?? [];
    const own = Math.max(0, ...claims.filter((claim) => claim.process === process).map((claim) => claim.generation));
    if (own === 0) this.#host.violated(`controller ${controller} signs for ${agent}, which it has not claimed`);
    this.#keep(text, own);
    this.#checkReach(controller, agent, Number(leaseUntil));
    const newer = claims.filter((claim) => claim.process !== process && claim.generation > own);
    if (newer.length > 0) this.#checkOverlap(controller, agent, own, Math.min(...newer.map(({ at }) => at)));
  }

  /** A process without the database signs no lease that counts from a later moment than its last contact. */
  #checkReach(controller: number, agent: string, leaseUntil: number): void {
    const { reachable, since } = this.#host.reach(controller) ?? untimed;
    const from = reachable ? this.#host.now() : since;
    if (leaseUntil > from + leaseMs + wrongMs)
      this.#host.violated(`controller ${controller} signs a lease for ${agent} that ends too late`);
    if (!reachable && this.#host.now() - since > 10_000 + wrongMs)
      this.#host.violated(`controller ${controller} signs for ${agent} without its database`);
  }

  /** A process that reaches the database notices within seconds. Another one has signed nothing for long already. */
  #checkOverlap(controller: number, agent: string, own: number, takenAt: number): void {
    this.checked.overlaps++;
    const { reachable, since } = this.#host.reach(controller) ?? untimed;
    const blindMs = this.#host.now() - Math.max(takenAt, since);
    if (reachable && blindMs > noticedMs)
      this.#host.violated(
        `controller ${controller} signs for ${agent} by generation ${own}, ${blindMs} ms after another one has it`,
      );
  }

  #keep(text: string, generation: number): void {
    this.#signers.set(text, Math.max(generation, this.#signers.get(text) ?? 0));
    const [oldest] = this.#signers.keys();
    if (this.#signers.size > mostTexts && oldest !== undefined) this.#signers.delete(oldest);
  }
}

const uuids = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
const known = new WeakMap<StateItem, readonly string[]>();

function idsIn(item: StateItem): readonly string[] {
  const ids = known.get(item) ?? [...new Set(JSON.stringify(item).match(uuids))];
  known.set(item, ids);
  return ids;
}

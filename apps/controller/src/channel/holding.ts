import type { Timers } from './timers.ts';
import type { AgentRef } from './types.ts';

/** What makes sure that only one process acts for an agent. */
export interface Holding {
  /** Makes this process the only holder of an agent. Rejects when that cannot be made sure of. */
  claim(agent: AgentRef): Promise<number>;
  /** Generation of the claim, or undefined: another process has the agent. */
  generation(agent: string): number | undefined;
  /** Hash of the state that another process wanted an agent to have, and that it had, until a moment ago; null: none did. */
  hadElsewhere(agent: string): string | null;
  /** Whether the database answered lately enough to sign for agents. */
  maySign(): boolean;
  /** When the database last answered, epoch milliseconds. */
  lastContact(): number;
}

/**
 * Latest moment from which a lease may count that is signed by right of a claim. Null: another process has the agent, or the
 * database did not answer for too long. A later claim of this process counts as well.
 */
export function leaseStart(holding: Holding | undefined, agent: string, claim: number | undefined): number | null {
  if (holding === undefined || claim === undefined) return null;
  const has = (holding.generation(agent) ?? 0) >= claim;
  return has && holding.maySign() ? holding.lastContact() : null;
}

/** A connection of an agent, as it is ended here. */
interface Held {
  readonly over: boolean;
  readonly pump: () => void;
  input(input: { readonly type: 'rejected'; readonly code: 'busy' }): void;
}

/** What the look at the database uses. */
export interface CutOffHost {
  readonly holding: Holding;
  readonly clock: () => number;
  readonly timers: Timers;
  readonly links: ReadonlySet<Held>;
}

/** Time without the database after which agents are sent to other processes. */
const endAfterMs = 15_000;
const lookMs = 500;

/**
 * Whether this process was without the database for so long that its agents belong to others. A process that stood still
 * knows it before it reads what agents sent meanwhile.
 */
export const isCutOff = ({ holding, clock }: Pick<CutOffHost, 'clock'> & Partial<CutOffHost>): boolean =>
  holding !== undefined && clock() - holding.lastContact() >= endAfterMs;

/**
 * Ends all connections after a time without the database, and goes on with them when it is back earlier. Returns a function
 * that ends the look.
 */
export function watchContact({ holding, clock, timers, links }: CutOffHost): () => void {
  let cut = false;
  const look = (): void => {
    cancel = timers.after(lookMs, look);
    const signs = holding.maySign();
    if (signs && cut) for (const link of links) link.pump();
    cut = !signs;
    if (!isCutOff({ holding, clock })) return;
    for (const link of [...links]) link.input({ type: 'rejected', code: 'busy' });
  };
  let cancel = timers.after(lookMs, look);
  return () => cancel();
}

/** Connections ended at once, and time between them: a hundred a second, or all within half a minute. */
const atOnce = 10;
const pauseMs = 100;
const mostPauses = 300;

/** Ends connections some at a time, so that other processes take their agents one after the other. */
export async function endInSlices(links: Iterable<Held>, timers: Timers): Promise<void> {
  const waiting = [...links];
  const slice = Math.max(atOnce, Math.ceil(waiting.length / mostPauses));
  while (waiting.length > 0) {
    for (const link of waiting.splice(0, slice)) if (!link.over) link.input({ type: 'rejected', code: 'busy' });
    if (waiting.length > 0) await new Promise<void>((resolve) => void timers.after(pauseMs, resolve));
  }
}

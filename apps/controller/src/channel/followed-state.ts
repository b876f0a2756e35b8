import type { HistoryBounds } from './delta-history.ts';
import { StateFeed } from './state-feed.ts';
import type { DesiredStates, StateChange } from './types.ts';

/** Follows the desired state of one agent between `open` and `close`. */
export class FollowedState {
  readonly #agent: string;
  readonly #states: DesiredStates;
  readonly #bounds: HistoryBounds;
  #feed: StateFeed;
  #unsubscribe: (() => void) | null = null;

  constructor(agent: string, states: DesiredStates, bounds: HistoryBounds) {
    this.#agent = agent;
    this.#states = states;
    this.#bounds = bounds;
    this.#feed = new StateFeed(bounds);
  }

  get feed(): StateFeed {
    return this.#feed;
  }

  get isOpen(): boolean {
    return this.#unsubscribe !== null;
  }

  /** Does nothing when it is open already. */
  open(listener: (change: StateChange) => void): void {
    this.#unsubscribe ??= this.#states.subscribe(this.#agent, listener);
  }

  /** Forgets the state. */
  close(): void {
    this.#unsubscribe?.();
    this.#unsubscribe = null;
    this.#feed = new StateFeed(this.#bounds);
  }
}

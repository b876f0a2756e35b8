import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { StateHash, type StateItem } from '@sallyport/contract/channel';
import type { DesiredState, DesiredStates, StateChange } from '../../channel/types.ts';
import { noCountries } from '../../countries.ts';
import type { TestApp } from '../../testing/harness.ts';
import { TenantRuntimes } from '../runtimes.ts';
import { Whereabouts } from '../whereabouts.ts';

/** Runtimes that know only the rows and the beacons. */
export const freshRuntimes = (app: TestApp, store = app.store): TenantRuntimes =>
  new TenantRuntimes({
    store,
    epoch: 'other',
    took: () => undefined,
    log: { warn: assert.fail, error: assert.fail },
    whereabouts: new Whereabouts(noCountries),
    beacons: () => app.app.beacon.peers(),
  });

/** Follows an agent's state by deltas, as an agent does. Each delta must lead on from the state before. */
export class Follower {
  readonly changes: StateChange[] = [];
  readonly #items: Map<string, StateItem>;
  #hash: string;

  constructor(t: TestContext, states: Pick<DesiredStates, 'subscribe'>, id: string, state: DesiredState) {
    this.#items = new Map(state.items().map((item) => [item.key, item]));
    this.#hash = state.hash;
    t.after(states.subscribe(id, (change) => this.#take(change)));
  }

  get items(): StateItem[] {
    return [...this.#items.values()];
  }

  get hash(): string {
    return this.#hash;
  }

  #take(change: StateChange): void {
    this.changes.push(change);
    if (change.kind !== 'delta') return;
    assert.equal(change.from, this.#hash);
    for (const key of change.delta.removes) this.#items.delete(key);
    for (const item of change.delta.upserts) this.#items.set(item.key, item);
    this.#hash = change.to;
    assert.equal(StateHash.of(this.#items.values()).toString(), change.to);
  }
}

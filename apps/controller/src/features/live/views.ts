import type { Timers } from '../../channel/timers.ts';
import type { Channel } from '../../channel/types.ts';
import { type Scoped, scoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import type { DeviceQueries } from '../../objects/devices/queries.ts';
import type { GatewayQueries } from '../../objects/gateways/queries.ts';
import type { ObjectTopic, View, Watched } from './watched.ts';

/** What the views of watched objects are made from. */
export interface LiveViewDeps {
  readonly store: Store;
  readonly timers: Timers;
  readonly gateways: Pick<GatewayQueries, 'presences' | 'statistics'>;
  readonly devices: Pick<DeviceQueries, 'presences' | 'paths'>;
  readonly channel: Pick<Channel, 'gather'>;
}

/** Makes views of watched objects: one query for each topic, and one view for all streams that show the object. */
export class LiveViews {
  readonly #deps: LiveViewDeps;
  /** Views made since the start. */
  made = 0;

  constructor(deps: LiveViewDeps) {
    this.#deps = deps;
  }

  /** Returns the present views of objects of one tenant, in order. */
  async of(tenant: string, all: readonly Watched[]): Promise<View[]> {
    const stale = all.filter(({ view }) => view === null);
    for (const [topic, some] of Map.groupBy(stale, (one) => one.topic)) this.#make(tenant, topic, some);
    return Promise.all(all.map(async (watched) => (await watched.view) ?? missing));
  }

  #make(tenant: string, topic: ObjectTopic, some: readonly Watched[]): void {
    this.made += some.length;
    const ids = some.map(({ id }) => id);
    const found = this.#found(tenant, topic, ids);
    for (const watched of some)
      watched.viewedAs(
        found.then((values) => {
          const { value, until = null } = values.get(watched.id) ?? { value: null };
          this.#touchAt(watched, until);
          return { value, text: JSON.stringify(value) };
        }),
      );
  }

  async #found(tenant: string, topic: ObjectTopic, ids: readonly string[]): Promise<Map<string, Timed>> {
    const { store, channel } = this.#deps;
    if (topic === 'statistics' || topic === 'paths') await channel.gather(ids, topic);
    return store.read((db) => this.#read(scoped(db, tenant), topic, ids));
  }

  async #read(db: Scoped, topic: ObjectTopic, ids: readonly string[]): Promise<Map<string, Timed>> {
    const { gateways, devices } = this.#deps;
    switch (topic) {
      case 'gateways':
        return timeless(await gateways.presences(db, ids), (value) => value);
      case 'devices':
        return devices.presences(db, ids);
      case 'statistics':
        return timeless(await gateways.statistics(db, ids), (statistics, id) => ({ id, ...statistics }));
      case 'paths':
        return timeless(await devices.paths(db, ids), (paths, id) => ({ id, paths }));
    }
  }

  #touchAt(watched: Watched, until: number | null): void {
    const { store, timers } = this.#deps;
    // The last watcher may have gone while the view was made.
    const wanted = until !== null && watched.watchers.size > 0;
    watched.touchLater(wanted ? timers.after(Math.max(0, until + 1 - store.now()), () => watched.touch()) : null);
  }
}

interface Timed {
  readonly value: object | null;
  /** Until when the value holds, epoch milliseconds; null: until an event. */
  readonly until?: number | null;
}

const timeless = <V>(values: ReadonlyMap<string, V>, shown: (value: V, id: string) => object): Map<string, Timed> =>
  new Map([...values].map(([id, value]) => [id, { value: shown(value, id) }]));

const missing: View = { value: null, text: 'null' };

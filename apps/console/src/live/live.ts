import type { LiveOverview, LiveTopics } from '@sallyport/contract';
import { useEffect, useSyncExternalStore } from 'react';
import { queryClient } from '../data/queries.ts';
import { applyMessage } from './apply.ts';
import type { Live } from './connection.ts';
import { SharedLive } from './tabs.ts';
import { joinTopics } from './topics.ts';

export type { Live } from './connection.ts';

/** Topics that change while somebody scrolls are gathered for this long, milliseconds. */
const gatherMs = 200;

/** What the components of this tab follow together, and what they are told. */
class TabLive {
  readonly #followed = new Map<object, LiveTopics>();
  readonly #listeners = new Set<() => void>();
  #shared: SharedLive | null = null;
  #gathering: ReturnType<typeof setTimeout> | undefined;
  live: Live = { state: 'connecting' };
  overview: LiveOverview | null = null;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Connects until the returned function is called. */
  connect(): () => void {
    const shared = new SharedLive({
      message: (message) => {
        if (message.overview !== undefined) this.overview = message.overview;
        applyMessage(message);
        this.#tell();
      },
      state: (live) => {
        if (JSON.stringify(live) === JSON.stringify(this.live)) return;
        this.live = live;
        this.#tell();
      },
      refused: () => void queryClient.invalidateQueries({ queryKey: ['me'] }),
    });
    this.#shared = shared;
    shared.follow(joinTopics(this.#followed.values()));
    return () => {
      shared.stop();
      this.#shared = null;
    };
  }

  /** Follows topics until the returned function is called. */
  follow(topics: LiveTopics): () => void {
    const key = {};
    this.#followed.set(key, topics);
    this.#gather();
    return () => {
      this.#followed.delete(key);
      this.#gather();
    };
  }

  #gather(): void {
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined;
      this.#shared?.follow(joinTopics(this.#followed.values()));
    }, gatherMs);
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

const tab = new TabLive();

/** Keeps the page up to date with the controller while it is shown. Returns how it is connected. */
export function useLive(enabled: boolean): Live {
  useEffect(() => (enabled ? tab.connect() : undefined), [enabled]);
  return useSyncExternalStore(tab.subscribe, () => tab.live);
}

/** Follows objects while the component is shown: what the page has read of them stays up to date. */
export function useFollow(topics: LiveTopics): void {
  const text = JSON.stringify(topics);
  useEffect(() => tab.follow(JSON.parse(text)), [text]);
}

/** Follows the figures of the tenant. Null until they are known. */
export function useLiveOverview(): LiveOverview | null {
  useFollow({ overview: true });
  return useSyncExternalStore(tab.subscribe, () => tab.overview);
}

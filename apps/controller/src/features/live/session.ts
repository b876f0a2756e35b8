import type { LiveMessage, LiveTopics, Right } from '@sallyport/contract';
import type { Timers } from '../../channel/timers.ts';
import type { Store } from '../../db/store.ts';
import { changesAfter } from './changes.ts';
import type { LiveOverviews } from './overview.ts';
import type { LiveViews } from './views.ts';
import { objectTopics, type Watched, type WatchedObjects, type Watcher } from './watched.ts';

/** What live streams are served with. */
export interface LiveSessionDeps {
  readonly store: Store;
  readonly timers: Timers;
  readonly objects: WatchedObjects;
  readonly views: LiveViews;
  readonly overviews: LiveOverviews;
}

/** Who follows, and from where. */
export interface LiveStart {
  readonly id: string;
  readonly tenant: string;
  /** The session or the API key. Only the same caller may set topics. */
  readonly caller: string;
  readonly rights: readonly Right[];
  readonly revision: number;
  /** The client has missed changes that are not in the log any more. */
  readonly reload: boolean;
}

/** Shortest time between two messages, milliseconds. */
export const messageGapMs = 1000;

/**
 * One live stream. It keeps what it follows and which of that may have changed since the last message, but no queue: a slow
 * client gets the latest state, and needs no more memory than a fast one.
 */
export class LiveSession implements Watcher {
  readonly id: string;
  readonly tenant: string;
  readonly caller: string;
  readonly #deps: LiveSessionDeps;
  readonly #rights: readonly Right[];
  #revision: number;
  #reload: boolean;
  #behind: boolean;
  #followed = new Map<string, Watched>();
  #pending = new Set<Watched>();
  /** Text of the last view that was sent, by topic and id. */
  readonly #sent = new Map<string, string>();
  #recheck = false;
  #resting = false;
  #over = false;
  #wake: (() => void) | null = null;

  constructor(start: LiveStart, deps: LiveSessionDeps) {
    this.id = start.id;
    this.tenant = start.tenant;
    this.caller = start.caller;
    this.#deps = deps;
    this.#rights = start.rights;
    this.#revision = start.revision;
    this.#reload = start.reload;
    this.#behind = deps.store.log.head(start.tenant) > start.revision;
  }

  /** Replaces what the stream follows. */
  follow(topics: LiveTopics): void {
    if (this.#over) return;
    const { objects, overviews } = this.#deps;
    const wanted = new Map<string, Watched>();
    for (const topic of objectTopics)
      for (const id of new Set(topics[topic])) {
        const key = `${topic}/${id}`;
        const known = this.#followed.get(key);
        const watched = known ?? objects.add(this.tenant, topic, id, this);
        wanted.set(key, watched);
        if (known === undefined) this.#pending.add(watched);
      }
    for (const [key, watched] of this.#followed) if (!wanted.has(key)) this.#drop(key, watched);
    this.#followed = wanted;
    overviews.follow(this, topics.overview === true);
    if (topics.overview !== true) this.#sent.delete(overviewKey);
    this.#look();
  }

  touched(watched: Watched): void {
    this.#pending.add(watched);
    this.#look();
  }

  /** The overview of the tenant may have changed. */
  overviewTouched(): void {
    this.#look();
  }

  /** The tenant has a new revision. */
  committed(): void {
    this.#behind = true;
    this.#look();
  }

  /** The caller may have lost the right to follow. */
  recheck(): void {
    this.#recheck = true;
    this.#look();
  }

  /** Ends the stream, and forgets what it follows. */
  end(): void {
    if (this.#over) return;
    for (const [key, watched] of this.#followed) this.#drop(key, watched);
    this.#deps.overviews.follow(this, false);
    this.#followed.clear();
    this.#over = true;
    this.#wake?.();
  }

  /**
   * Messages until the stream ends. A batch without a message only has the caller's right checked. While nothing happens,
   * this waits without a timer.
   */
  async *messages(): AsyncGenerator<readonly LiveMessage[]> {
    yield [{ stream: this.id, revision: this.#revision, ...this.#takeReload() }];
    while (!this.#over) {
      if (this.#resting || !this.#hasWork()) await this.#sleep();
      else {
        this.#rest();
        const message = await this.#collect();
        yield message === null ? [] : [message];
      }
    }
  }

  #hasWork(): boolean {
    return this.#recheck || this.#behind || this.#pending.size > 0 || this.#deps.overviews.hasNews(this);
  }

  #look(): void {
    if (!this.#resting) this.#wake?.();
  }

  #sleep(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = null;
        resolve();
      };
    });
  }

  #rest(): void {
    this.#resting = true;
    this.#deps.timers.after(messageGapMs, () => {
      this.#resting = false;
      this.#wake?.();
    });
  }

  async #collect(): Promise<LiveMessage | null> {
    this.#recheck = false;
    const changes = await this.#takeChanges();
    const objects = await this.#takeObjects();
    const overview = await this.#takeOverview();
    const parts = { ...changes, ...objects, ...overview };
    return Object.keys(parts).length === 0 ? null : { revision: this.#revision, ...parts };
  }

  #takeReload(): Pick<LiveMessage, 'reload'> {
    if (!this.#reload) return {};
    this.#reload = false;
    return { reload: true };
  }

  async #takeChanges(): Promise<Pick<LiveMessage, 'changes' | 'reload'>> {
    if (!this.#behind) return {};
    this.#behind = false;
    const { to, changes } = await changesAfter(this.#deps.store, this.tenant, this.#revision, this.#rights);
    this.#revision = to;
    if (this.#deps.store.log.head(this.tenant) > to) this.#behind = true;
    if (changes === null) return { reload: true };
    return changes.length === 0 ? {} : { changes: [...changes] };
  }

  async #takeObjects(): Promise<Partial<LiveMessage>> {
    const all = [...this.#pending];
    this.#pending.clear();
    const views = await this.#deps.views.of(this.tenant, all);
    const values: Record<string, object[]> = {};
    const unknown = new Set<string>();
    for (const [at, { topic, id }] of all.entries()) {
      const key = `${topic}/${id}`;
      const { value, text } = views[at] ?? { value: null, text: '' };
      if (!this.#followed.has(key) || this.#sent.get(key) === text) continue;
      this.#sent.set(key, text);
      if (value === null) unknown.add(id);
      else (values[topic] ??= []).push(value);
    }
    return { ...values, ...(unknown.size === 0 ? {} : { unknown: [...unknown] }) };
  }

  async #takeOverview(): Promise<Pick<LiveMessage, 'overview'>> {
    if (!this.#deps.overviews.hasNews(this)) return {};
    const overview = await this.#deps.overviews.take(this);
    const text = JSON.stringify(overview);
    if (overview === null || this.#sent.get(overviewKey) === text) return {};
    this.#sent.set(overviewKey, text);
    return { overview };
  }

  #drop(key: string, watched: Watched): void {
    this.#deps.objects.remove(watched, this);
    this.#pending.delete(watched);
    this.#sent.delete(key);
  }
}

const overviewKey = 'overview';

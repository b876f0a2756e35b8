import type { LiveTopics } from '@sallyport/contract';

/** Topics that are lists of objects. */
export const objectTopics = ['gateways', 'devices', 'statistics', 'paths'] as const satisfies (keyof LiveTopics)[];
/** A topic that is a list of objects. */
export type ObjectTopic = (typeof objectTopics)[number];

/** What streams show of an object. */
export interface View {
  /** Null: the tenant has no such object. */
  readonly value: object | null;
  /** JSON text of the value, to compare with what a stream has sent. */
  readonly text: string;
}

/** A stream that watches objects. */
export interface Watcher {
  touched(watched: Watched): void;
}

/** One topic of one object that at least one stream of the tenant follows. */
export class Watched {
  readonly tenant: string;
  readonly topic: ObjectTopic;
  readonly id: string;
  readonly watchers = new Set<Watcher>();
  /** False while the tenant has no such object: reports of agents are of no interest then. */
  known = true;
  #version = 0;
  #view: { readonly version: number; readonly view: Promise<View> } | null = null;
  #cancel: (() => void) | null = null;

  constructor(tenant: string, topic: ObjectTopic, id: string) {
    this.tenant = tenant;
    this.topic = topic;
    this.id = id;
  }

  /** The object may look different now. */
  touch(): void {
    this.#version++;
    for (const watcher of this.watchers) watcher.touched(this);
  }

  /** The view of the present version, if one was made or is being made. All watchers share it. */
  get view(): Promise<View> | null {
    return this.#view?.version === this.#version ? this.#view.view : null;
  }

  /** Notes the view of the present version. One that fails is not kept. */
  viewedAs(view: Promise<View>): void {
    const own = { version: this.#version, view };
    this.#view = own;
    view.then(
      ({ value }) => {
        this.known = value !== null;
      },
      () => {
        if (this.#view === own) this.#view = null;
      },
    );
  }

  /** Keeps the timer that touches the object when it changes by time alone. It replaces the one before. */
  touchLater(cancel: (() => void) | null): void {
    this.#cancel?.();
    this.#cancel = cancel;
  }
}

/** All watched objects by id. An event costs one look-up, however many objects and streams there are. */
export class WatchedObjects {
  readonly #byId = new Map<string, Watched[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  withId(id: string): readonly Watched[] {
    return this.#byId.get(id) ?? none;
  }

  add(tenant: string, topic: ObjectTopic, id: string, watcher: Watcher): Watched {
    const all = this.#byId.get(id) ?? [];
    let watched = all.find((one) => one.tenant === tenant && one.topic === topic);
    if (watched === undefined) {
      watched = new Watched(tenant, topic, id);
      all.push(watched);
      this.#byId.set(id, all);
      this.#size++;
    }
    watched.watchers.add(watcher);
    return watched;
  }

  remove(watched: Watched, watcher: Watcher): void {
    watched.watchers.delete(watcher);
    if (watched.watchers.size > 0) return;
    watched.touchLater(null);
    const rest = this.withId(watched.id).filter((one) => one !== watched);
    this.#size--;
    if (rest.length === 0) this.#byId.delete(watched.id);
    else this.#byId.set(watched.id, rest);
  }

  /** Touches every watched object of a tenant. Only for a log with a gap. */
  touchAll(tenant: string): void {
    for (const all of this.#byId.values()) for (const watched of all) if (watched.tenant === tenant) watched.touch();
  }
}

const none: readonly Watched[] = [];

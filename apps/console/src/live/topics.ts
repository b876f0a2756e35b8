import type { LiveMessage, LiveTopics } from '@sallyport/contract';

/** Topics that are lists of objects, with the most that a stream takes. */
const limits = { gateways: 500, devices: 500, statistics: 50, paths: 50 } as const;

/** Names of the topics that are lists of objects. */
export const objectTopics = Object.keys(limits) as (keyof typeof limits)[];

/** Joins topics, up to the limits of a stream. Those that come first win. */
export function joinTopics(all: Iterable<LiveTopics>): LiveTopics {
  const joined = [...all];
  const lists = objectTopics.map((topic) => {
    const ids = new Set(joined.flatMap((topics) => topics[topic] ?? []));
    return [topic, [...ids].slice(0, limits[topic])] as const;
  });
  return { ...Object.fromEntries(lists), overview: joined.some(({ overview }) => overview === true) };
}

/** The latest state of everything that a stream follows, for pages that begin to follow it later. */
export class LatestState {
  readonly #objects = new Map<string, { readonly id: string }>();
  #overview: LiveMessage['overview'];

  note(message: LiveMessage): void {
    for (const topic of objectTopics)
      for (const value of message[topic] ?? []) this.#objects.set(`${topic}/${value.id}`, value);
    if (message.overview !== undefined) this.#overview = message.overview;
  }

  /** Forgets what is no longer followed. */
  keepOnly(topics: LiveTopics): void {
    const kept = new Set(objectTopics.flatMap((topic) => (topics[topic] ?? []).map((id) => `${topic}/${id}`)));
    for (const key of this.#objects.keys()) if (!kept.has(key)) this.#objects.delete(key);
    if (topics.overview !== true) this.#overview = undefined;
  }

  /** Returns what is known of these topics as a message. */
  of(topics: LiveTopics, revision: number): LiveMessage {
    const known = objectTopics.map((topic) => {
      const values = (topics[topic] ?? []).flatMap((id) => this.#objects.get(`${topic}/${id}`) ?? []);
      return [topic, values] as const;
    });
    const overview = topics.overview === true && this.#overview !== undefined ? { overview: this.#overview } : {};
    return { revision, ...Object.fromEntries(known), ...overview };
  }
}

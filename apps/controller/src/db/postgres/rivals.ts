import type { PostgresPlace, PostgresPlaces } from './place.ts';
import { type Reached, reachServer, type ServerIdentity } from './server.ts';

/** What the watch compares others with, and tells. */
export interface RivalWatchHost {
  /** The server of the session; null: there is no session at the moment. */
  readonly present: () => { readonly place: PostgresPlace; readonly server: ServerIdentity } | null;
  /** Another server takes writes, and was promoted later. */
  readonly found: (place: PostgresPlace) => void;
}

const lookMs = 5_000;
const silenceMs = 3_000;

/**
 * Looks whether another server of the URL was promoted while the present one goes on. Its session would stay there, and this
 * controller would believe an old primary server.
 */
export class RivalWatch {
  readonly #places: PostgresPlaces;
  readonly #host: RivalWatchHost;
  #timer: NodeJS.Timeout | null = null;
  #looking: Promise<void> | null = null;
  #stopped = false;

  constructor(places: PostgresPlaces, host: RivalWatchHost) {
    this.#places = places;
    this.#host = host;
    if (places.length > 1) this.#later();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#looking;
  }

  #later(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#looking = this.#look().finally(() => {
        this.#looking = null;
        this.#later();
      });
    }, lookMs).unref();
  }

  async #look(): Promise<void> {
    const present = this.#host.present();
    const others = this.#places.filter((place) => place !== present?.place);
    if (present === null || present.server.timeline === null) return;
    for (const found of await Promise.all(others.map(reachOrNull))) {
      if (found === null) continue;
      void found.client.end().catch(() => undefined);
      if (!this.#stopped && isLater(found.server, present.server)) this.#host.found(found.place);
    }
  }
}

/** Null: it does not answer, or is a standby as it should be. */
const reachOrNull = (place: PostgresPlace): Promise<Reached | null> => reachServer(place, silenceMs).catch(() => null);

const isLater = (other: ServerIdentity, present: ServerIdentity): boolean =>
  (other.timeline ?? 0) > (present.timeline ?? 0) &&
  (other.system === null || present.system === null || other.system === present.system);

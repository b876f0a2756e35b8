import { parseEndpoint } from '@sallyport/contract';
import type { WorldBeacon } from '@sallyport/policy';
import { z } from 'zod';
import type { Replicas } from '../replicas/types.ts';
import type { BeaconKeys } from './keys.ts';

/** The beacon of this process: its ports, and the key that knocks, which has no endpoint. */
export interface OwnBeacon {
  peers(): WorldBeacon[];
}

/** Beacons of all replicas, as agents are told about them. All have the same keys. */
export class BeaconPlaces {
  readonly #own: OwnBeacon;
  readonly #keys: Pick<BeaconKeys, 'ports'>;
  readonly #replicas: Replicas;

  constructor(own: OwnBeacon, keys: Pick<BeaconKeys, 'ports'>, replicas: Replicas) {
    this.#own = own;
    this.#keys = keys;
    this.#replicas = replicas;
  }

  /** Tells the others about the beacon of this process. To be called when it has opened its ports, and has closed them. */
  announce(): void {
    const endpoints = this.#own.peers().flatMap(({ endpoint }) => endpoint ?? []);
    this.#replicas.announceBeacon(endpoints.length === 0 ? null : { endpoints });
  }

  /** Returns the key that knocks, and the ports of each live replica with a beacon. */
  peers(): WorldBeacon[] {
    const place = this.#replicas.self.id;
    const own = this.#own.peers().map((peer) => (peer.endpoint === null ? peer : { ...peer, place }));
    return [...own, ...this.#others()];
  }

  /** Whether another live replica has a beacon. */
  elsewhere(): boolean {
    return this.#others().length > 0;
  }

  #others(): WorldBeacon[] {
    return this.#replicas.others().flatMap(({ id: place, beacon }) => {
      const { success, data } = announcement.safeParse(beacon);
      if (!success) return [];
      return this.#keys.ports.map(({ publicKey }, index) => ({
        ...{ id: String(index + 1), publicKey, place },
        endpoint: data.endpoints[index] ?? null,
      }));
    });
  }
}

/** What a replica tells the others: `host:port` of both ports. */
const endpoint = z
  .string()
  .max(300)
  .refine((text) => parseEndpoint(text) !== null);
const announcement = z.object({ endpoints: z.tuple([endpoint, endpoint]) });

import { type BeaconItem, contentId, type StateItem } from '@sallyport/contract/channel';
import type { WorldBeacon } from '../../types.ts';
import type { World } from '../../world.ts';
import { relayPoints } from './facts.ts';
import { Layer } from './layer.ts';

/**
 * Returns the beacons of an agent: those without a place, and those of one place. Each place has a weight for each agent,
 * and the largest counts (rendezvous hashing). So a place that comes or goes moves only its own agents.
 */
export function beaconItems(beacons: readonly WorldBeacon[], agent: string): BeaconItem[] {
  const place = placeOf(placesOf(beacons), agent);
  return beacons
    .filter((beacon) => beacon.place === undefined || beacon.place === place)
    .map(({ id, publicKey, endpoint }) => ({ kind: 'beacon', key: `beacon/${id}`, id, publicKey, endpoint }));
}

/** What every device gets besides its own, as one layer for each place of beacons. */
export class CommonLayers {
  #places: readonly string[] = [];
  #layers = new Map<string | null, Layer>();

  /** Follows the world. Returns whether a layer has changed. */
  renew({ settings: { beacons }, gateways }: World): boolean {
    const points = relayPoints(gateways.values());
    const places = placesOf(beacons);
    const layers = new Map<string | null, Layer>();
    for (const place of places.length === 0 ? [null] : places) {
      const told = beacons.filter((beacon) => beacon.place === undefined || beacon.place === place);
      const items: StateItem[] = [...beaconItems(told, ''), ...points];
      layers.set(place, (this.#layers.get(place) ?? Layer.empty).replacedBy(items));
    }
    const changed =
      layers.size !== this.#layers.size || layers.entries().some(([place, layer]) => this.#layers.get(place) !== layer);
    this.#places = places;
    this.#layers = layers;
    return changed;
  }

  /** Returns the layer of a device. */
  of(device: string): Layer {
    return this.#layers.get(placeOf(this.#places, device)) ?? Layer.empty;
  }
}

/** Places of beacons, ascending. */
const placesOf = (beacons: readonly WorldBeacon[]): string[] =>
  [...new Set(beacons.flatMap(({ place }) => place ?? []))].sort();

function placeOf(places: readonly string[], agent: string): string | null {
  const [first = null] = places;
  if (first === null || places.length === 1) return first;
  const weight = (place: string) => contentId(agent, place);
  return places
    .map((place) => ({ place, weight: weight(place) }))
    .reduce((best, next) => (next.weight > best.weight ? next : best)).place;
}

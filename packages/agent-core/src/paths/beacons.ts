import type { BeaconItem } from '@sallyport/contract/channel';
import type { Look } from './devices.ts';

/**
 * The beacons of a state, and where their peers point. A beacon moves to another address when its process of the controller
 * ends. The plane leaves the endpoints of peers alone that there are.
 */
export class Beacons {
  readonly #address: (endpoint: string) => string | undefined;
  readonly #turn: (item: BeaconItem, moved: boolean) => void;
  #items: readonly BeaconItem[] = [];
  /** Endpoint of each peer as it was set, by public key. */
  #aims = new Map<string, string>();

  /**
   * `address` returns an endpoint with an address, if one is known. It asks for names that are not. `turn` points the peer of
   * a beacon to its endpoint. `moved`: it pointed elsewhere, where its session is.
   */
  constructor(address: (endpoint: string) => string | undefined, turn: (item: BeaconItem, moved: boolean) => void) {
    this.#address = address;
    this.#turn = turn;
  }

  /** Beacons that this agent contacts. The others contact it. */
  get contacted(): readonly BeaconItem[] {
    return this.#items.filter(({ endpoint }) => endpoint !== null);
  }

  at({ endpoint }: BeaconItem): string | undefined {
    return endpoint === null ? undefined : this.#address(endpoint);
  }

  /** New peers point right from the beginning. The look at the device tells where one points that has outlived the agent. */
  set(items: readonly BeaconItem[], { device }: Look): void {
    const before = this.#aims;
    this.#items = items;
    this.#aims = new Map();
    for (const item of items) {
      const at = this.at(item);
      const known = before.get(item.publicKey) ?? device?.peers.get(item.publicKey)?.endpoint;
      if (at === undefined) continue;
      this.#aims.set(item.publicKey, at);
      if (known !== undefined && known !== at) this.#turn(item, true);
    }
  }

  /** To be called when a name was looked up. */
  resolved(): void {
    for (const item of this.contacted) {
      const [at, known] = [this.at(item), this.#aims.get(item.publicKey)];
      if (at === undefined || at === known) continue;
      this.#aims.set(item.publicKey, at);
      this.#turn(item, known !== undefined);
    }
  }
}

import type { WorldDevice } from '../../types.ts';
import type { World } from '../../world.ts';
import { isEntry } from './facts.ts';
import { Multimap } from './maps.ts';

/** Entry gateways with the plain devices that come in through them. */
export class EntryGateways {
  readonly #world: World;
  readonly #devices = new Multimap();

  /** Reads gateways from `world` when asked. */
  constructor(world: World) {
    this.#world = world;
  }

  /** Adds or removes a version of a device. Returns the entry gateway that it names, or null. */
  link(device: WorldDevice, action: 'add' | 'delete'): string | null {
    if (device.native || device.entryGateway === null) return null;
    this.#devices[action](device.entryGateway, device.id);
    return device.entryGateway;
  }

  /** Returns the gateways that devices name as entry gateway, even if they cannot be one now. */
  named(): Iterable<string> {
    return this.#devices.keys();
  }

  /** Returns the devices that name a gateway as their entry gateway. */
  devicesOf(gateway: string): ReadonlySet<string> {
    return this.#devices.get(gateway);
  }

  /** Returns whether devices come in through a gateway now. */
  has(gateway: string): boolean {
    return this.#devices.get(gateway).size > 0 && isEntry(this.#world.gateways.get(gateway));
  }
}

import type { StateItem } from '@sallyport/contract/channel';
import { endpointText } from './endpoint.ts';

/** Endpoint of a gateway as its channel shows it: the channel's source address with the desired WireGuard port. */
export class SourceEndpoint {
  readonly #changed: (endpoint: string) => void;
  #port: number | null = null;
  #told: string | null = null;

  constructor(changed: (endpoint: string) => void) {
    this.#changed = changed;
  }

  /** Takes the port from the gateway's own item, if it is among these. */
  expect(items: readonly StateItem[]): void {
    for (const item of items) if (item.kind === 'gateway') this.#port = item.listenPort;
  }

  /** `address`: the channel's source; null when it is unknown. Devices have no port, so they have no endpoint here. */
  observe(address: string | null): void {
    if (address === null || this.#port === null) return;
    const endpoint = endpointText(address, this.#port);
    if (endpoint === this.#told) return;
    this.#told = endpoint;
    this.#changed(endpoint);
  }
}

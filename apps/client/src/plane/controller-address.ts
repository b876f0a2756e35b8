import { type LookupAddress, lookup as lookUp } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import type { DirectTarget } from '@sallyport/hostnet';

/**
 * Addresses of the controller. The controller must be reachable outside of the tunnel even when the resolver is
 * reachable only through it. The last resolved addresses are therefore kept, and used while the name does not resolve.
 */
export class ControllerAddress {
  readonly #host: string;
  readonly #port: number;
  readonly #changed: () => void;
  #addresses: readonly string[];

  /** `url` is the URL of the channel; `known` comes from an earlier run. */
  constructor(url: string, known: readonly DirectTarget[], changed: () => void) {
    const { hostname, port, protocol } = new URL(url);
    this.#host = hostname.replace(/^\[|\]$/g, '');
    this.#port = Number(port) || (protocol === 'wss:' ? 443 : 80);
    this.#changed = changed;
    const same = known.filter((target) => target.protocol === 'tcp' && target.port === this.#port);
    this.#addresses = isIP(this.#host) === 0 ? same.map(({ address }) => address) : [this.#host];
  }

  get targets(): readonly DirectTarget[] {
    return this.#addresses.map((address) => ({ address, protocol: 'tcp', port: this.#port }));
  }

  /** The lookup function for connections to the controller. */
  readonly lookup: LookupFunction = (hostname, options, done) => {
    lookUp(hostname, { ...options, all: true }, (error, found) => {
      const addresses = error === null ? found : this.#known();
      if (error === null) this.#learn(found);
      if (addresses.length === 0) return done(error, '', 0);
      const [first] = addresses;
      if (options.all === true) done(null, addresses);
      else done(null, first?.address ?? '', first?.family ?? 0);
    });
  };

  #known(): LookupAddress[] {
    return this.#addresses.map((address) => ({ address, family: isIP(address) }));
  }

  #learn(found: readonly LookupAddress[]): void {
    const addresses = found.map(({ address }) => address).sort();
    if (addresses.length === 0 || JSON.stringify(addresses) === JSON.stringify(this.#addresses)) return;
    this.#addresses = addresses;
    this.#changed();
  }
}

import { lookup } from 'node:dns/promises';
import { parseAddress } from '@sallyport/ip';
import { within } from '@sallyport/program';
import { type EgressPurpose, type EgressSettings, EgressTargets } from './targets.ts';

/** An address to connect to, or why there is none. `code` is of the resolver, for people. */
export type EgressTarget =
  | { readonly ok: true; readonly address: string; readonly family: 4 | 6 }
  | { readonly ok: false; readonly reason: 'unresolved'; readonly code: string }
  | { readonly ok: false; readonly reason: 'forbidden' };

/** Options of a look-up of a target. */
export interface TargetOptions {
  readonly timeoutMs: number;
  /** See `EgressTargets.permits`. */
  readonly ofThisMachine?: boolean;
}

/**
 * The only way in which the controller calls hosts that a tenant names. A name is resolved once and the call goes to
 * the checked address, so that a second answer of the resolver has no effect.
 */
export class Egress {
  readonly #targets: EgressTargets;
  readonly #addresses: (name: string) => Promise<string[]>;

  constructor(
    settings: Pick<EgressSettings, 'allow' | 'deny'>,
    addresses: (name: string) => Promise<string[]> = systemAddresses,
    targets = new EgressTargets(settings),
  ) {
    this.#targets = targets;
    this.#addresses = addresses;
  }

  /** Returns the first address of a host that may be called. Never rejects. */
  async target(host: string, purpose: EgressPurpose, options: TargetOptions): Promise<EgressTarget> {
    const known = parseAddress(host) !== null ? [host] : await this.#resolve(host, options.timeoutMs);
    if (typeof known === 'string') return { ok: false, reason: 'unresolved', code: known };
    const address = known.find((one) => this.#targets.permits(one, purpose, options.ofThisMachine));
    if (address === undefined) return { ok: false, reason: 'forbidden' };
    return { ok: true, address, family: address.includes(':') ? 6 : 4 };
  }

  /** Addresses of a name, or the resolver's code. */
  async #resolve(name: string, timeoutMs: number): Promise<string[] | string> {
    // The system takes an empty name for this very host.
    if (name === '') return 'no name';
    try {
      const addresses = await within(this.#addresses(name), timeoutMs);
      if (addresses === null) return 'timeout';
      return addresses.length === 0 ? 'no address' : addresses;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? 'timeout';
    }
  }
}

/** Resolves a name with the resolver of the system. */
export const systemAddresses = async (name: string): Promise<string[]> =>
  (await lookup(name, { all: true })).map(({ address }) => address);

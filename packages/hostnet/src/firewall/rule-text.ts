import { formatNetwork, parsePrefix } from '../ip.ts';
import { markText, START_MARK } from './registers.ts';

/** The whole overlay, one CIDR for each family. `names`: IPv4 addresses of names, unless they are the usual ones. */
export type Overlay = { readonly v4: string; readonly v6: string; readonly names?: string | undefined };

/** The map of a cell's bundle, and the maps that are looked up in turn when that bundle has expired. */
export const CELL_MAPS = ['cells', 'cells_after1', 'cells_after2', 'cells_after3'] as const;

/** Returns the name of a map, set or chain in the generation that is being written. */
export type Name = (name: string) => string;

/** Clears both registers, so that no later program sees our marks. */
export const CLEAR = 'meta mark set 0x00000000 meta priority set 0:0';
/** Sets both registers to their start values. */
export const START = `meta mark set ${markText(START_MARK)} meta priority set 0:0`;
/** Counts and drops a packet that comes from the tunnel. */
export const DENIED_IN = 'counter name drop_denied_in drop';
/** Counts and drops a packet that goes into the tunnel. */
export const DENIED_OUT = 'counter name drop_denied_out drop';

/** Requires a running lease. The mark starts from a value that is no key of a later look-up. */
export function leaseRule(g: Name, denied: string): string {
  return `meta mark set ${markText(START_MARK)} meta mark != @${g('lease')} ${denied}`;
}

/** Sends errors from other gateways to a chain. */
export function fromGateways(g: Name, chain: string): string[] {
  return [
    `ct state related ip saddr @${g('gateways4')} jump ${g(chain)}`,
    `ct state related ip6 saddr @${g('gateways6')} jump ${g(chain)}`,
  ];
}

/** Returns a prefix in canonical form. Throws `invalid-state`. */
export function network(prefix: string): string {
  return formatNetwork(parsePrefix(prefix));
}

import { networkInterfaces } from 'node:os';
import { type IpRange, parseAddress, parsePrefix, rangeContains } from '@sallyport/ip';

/** The operator's settings for calls that the controller makes for tenants. */
export interface EgressSettings {
  /** Prefixes that calls may reach although they are not public. */
  readonly allow: readonly string[];
  /** Prefixes that no call reaches; these win. */
  readonly deny: readonly string[];
  /** Whether tenants see resolved addresses and why a call failed. */
  readonly details: boolean;
}

/**
 * `knock`: a WireGuard handshake whose only visible outcome is an answer that needs the private key of the tenant's own
 * gateway. `request`: anything else.
 */
export type EgressPurpose = 'knock' | 'request';

/** Addresses and networks of this machine. */
export interface OwnNetworks {
  readonly addresses: readonly string[];
  /** Prefixes of the networks that it is attached to. */
  readonly networks: readonly string[];
}

/** Decides which addresses the controller may call on behalf of a tenant. */
export class EgressTargets {
  readonly #allow: readonly IpRange[];
  readonly #deny: readonly IpRange[];
  readonly #own: () => OwnNetworks;

  constructor({ allow, deny }: Pick<EgressSettings, 'allow' | 'deny'>, own: () => OwnNetworks = ownNetworks) {
    this.#allow = ranges(allow);
    this.#deny = ranges(deny);
    this.#own = own;
  }

  /** Returns whether an address may be called. `ofThisMachine`: the target is known to run on this machine. */
  permits(text: string, purpose: EgressPurpose, ofThisMachine = false): boolean {
    const address = parseAddress(text);
    if (address === null) return false;
    const forms = [address, ...embedded(address)];
    const within = (list: readonly IpRange[]) => forms.some((form) => contains(list, form));
    if (within(this.#deny) || within(noHost)) return false;
    if (contains(this.#allow, address)) return true;
    if (within(thisHostOrLink)) return false;
    const own = this.#own();
    if (within(ranges(own.addresses))) return purpose === 'knock' && ofThisMachine;
    if (purpose === 'request') return !within(notPublic) && !within(ranges(own.networks));
    return !within(notPublic) || within(siteNetworks);
  }

  /** Returns whether tenants may see that a name has this address: it is public and not denied by the operator. */
  mayBeTold(text: string): boolean {
    const address = parseAddress(text);
    if (address === null) return false;
    const hidden = [...this.#deny, ...noHost, ...thisHostOrLink, ...notPublic];
    return ![address, ...embedded(address)].some((form) => contains(hidden, form));
  }
}

type Address = NonNullable<ReturnType<typeof parseAddress>>;

const ranges = (texts: readonly string[]): IpRange[] => texts.flatMap((text) => parsePrefix(text) ?? []);
const contains = (list: readonly IpRange[], { family, value }: Address): boolean =>
  list.some((range) => rangeContains(range, family, value));

/** Addresses of no single host: unspecified, multicast, broadcast, reserved, discard-only, Teredo. */
const noHost = ranges(['0.0.0.0/8', '224.0.0.0/4', '240.0.0.0/4', '::/128', 'ff00::/8', '100::/64', '2001::/32']);
/** This machine, or what only its own links reach, such as the metadata service of a cloud. */
const thisHostOrLink = ranges(['127.0.0.0/8', '169.254.0.0/16', '::1/128', 'fe80::/10', 'fec0::/10', 'fd00:ec2::254']);
/** Networks of sites, where a self-hosted gateway usually stands (RFC 1918, RFC 4193). */
const siteNetworks = ranges(['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7']);
/** Not reachable from the internet (RFC 6890); the overlay lies in 100.64.0.0/10. */
const notPublic = [
  ...siteNetworks,
  ...ranges(['100.64.0.0/10', '192.0.0.0/24', '198.18.0.0/15', '64:ff9b:1::/48', '5f00::/16']),
];

/** IPv4 addresses inside of an IPv6 one: mapped, compatible, NAT64 and 6to4 lead there. */
function embedded({ family, value }: Address): Address[] {
  if (family === 4) return [];
  const low = { family: 4 as const, value: value & 0xffff_ffffn };
  const high = value >> 32n;
  if (high === 0xffffn || (high === 0n && value > 1n) || high === nat64) return [low];
  return value >> 112n === 0x2002n ? [{ family: 4, value: (value >> 80n) & 0xffff_ffffn }] : [];
}

const nat64 = 0x0064_ff9b_0000_0000_0000_0000n;

/** Whether an address is one of this machine's interfaces. */
export const isOwnAddress = (address: string): boolean => ownNetworks().addresses.includes(address);

function ownNetworks(): OwnNetworks {
  const known = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return {
    addresses: known.map(({ address }) => address),
    networks: known.flatMap(({ cidr }) => cidr ?? []),
  };
}

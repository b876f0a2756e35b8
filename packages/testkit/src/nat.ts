import type { Namespace } from './netns.ts';

/**
 * Mapping behaviour of a NAT (RFC 4787 section 4.1). An inside port gets one external port for all destinations, one
 * per destination address, or a random one per destination address and port (`symmetric`).
 */
export type NatMapping = 'endpoint-independent' | 'address-dependent' | 'symmetric';

/**
 * What becomes of a datagram from outside that nobody inside has asked for.
 *
 * - `dropped`: the router drops it and forgets it.
 * - `open`: the router takes it for itself, as one without a firewall does. Linux then remembers its addresses and ports, so
 *   the next flow of the inside host with the same ones gets another external port: the trap for hole punching.
 * - `none`: whoever holds that external port inside gets it from anybody (endpoint-independent filtering, "full cone").
 *   Hosts inside must use different ports.
 */
export type NatFilter = 'dropped' | 'open' | 'none';

/** Mapping and filtering of a NAT. */
export interface NatBehaviour {
  readonly mapping: NatMapping;
  readonly filter: NatFilter;
}

/** Options of a NAT. */
export interface NatOptions extends Partial<NatBehaviour> {
  /** Names of the router's interfaces on both sides; both are up and have addresses. */
  readonly inside: string;
  readonly outside: string;
  /** IPv4 address of the outside interface with its prefix length. */
  readonly address: string;
  /** Seconds until an unused mapping expires: one without an answer, and one with an answer. */
  readonly timeouts?: { readonly fresh: number; readonly answered: number };
  /** Whether inside hosts reach each other by the outside address (RFC 4787 section 6); needs `filter: 'none'`. */
  readonly hairpin?: boolean;
}

/**
 * An IPv4 NAT of the kernel between two interfaces of a namespace. UDP mapping and filtering follow the kinds of RFC
 * 4787; TCP is masqueraded in all of them.
 */
export class Nat {
  readonly namespace: Namespace;
  readonly #options: NatOptions;
  #behaviour: NatBehaviour;
  #address: string;
  #epoch = 0;

  private constructor(namespace: Namespace, options: NatOptions) {
    const { mapping = 'endpoint-independent', filter = 'dropped', address } = options;
    this.namespace = namespace;
    this.#options = options;
    this.#address = address;
    this.#behaviour = checked({ mapping, filter }, options);
  }

  static async create(namespace: Namespace, options: NatOptions): Promise<Nat> {
    const nat = new Nat(namespace, options);
    await namespace.sysctl('net.ipv4.ip_forward', 1);
    const { fresh = 30, answered = 120 } = options.timeouts ?? {};
    await namespace.sysctl('net.netfilter.nf_conntrack_udp_timeout', fresh);
    await namespace.sysctl('net.netfilter.nf_conntrack_udp_timeout_stream', answered);
    await nat.#load('');
    return nat;
  }

  /** The outside address, without prefix length. */
  get address(): string {
    return this.#address.split('/')[0] ?? '';
  }

  get behaviour(): NatBehaviour {
    return this.#behaviour;
  }

  /** Changes the kind of NAT and forgets all mappings. */
  async become(behaviour: Partial<NatBehaviour>): Promise<void> {
    this.#behaviour = checked({ ...this.#behaviour, ...behaviour }, this.#options);
    await this.rebind();
  }

  /** Forgets every mapping. The next packet of each inside port gets another external port than before. */
  async rebind(): Promise<void> {
    this.#epoch = (this.#epoch % 15) + 1;
    await this.#load(`delete table ip ${table}\n`);
  }

  /** Changes the outside address within the same network (with prefix length) and forgets all mappings. */
  async changeAddress(address: string): Promise<void> {
    const { namespace } = this;
    const { outside } = this.#options;
    // Otherwise the new address, a secondary one, would be removed with the old one.
    await namespace.sysctl(`net.ipv4.conf.${outside}.promote_secondaries`, 1);
    await namespace.ip('addr', 'add', address, 'dev', outside);
    await namespace.ip('addr', 'del', this.#address, 'dev', outside);
    this.#address = address;
    await this.rebind();
  }

  #load(before: string): Promise<void> {
    return this.namespace.nft(before + ruleset(this.#behaviour, this.#options, this.address, this.#epoch));
  }
}

const table = 'lab_nat';

function checked(behaviour: NatBehaviour, { hairpin = false }: NatOptions): NatBehaviour {
  const { mapping, filter } = behaviour;
  if (filter === 'none' && mapping !== 'endpoint-independent') {
    throw new Error(`a NAT with ${mapping} mapping cannot accept every host: one external port has several owners`);
  }
  if (hairpin && filter !== 'none') throw new Error('hairpinning needs filter none');
  return behaviour;
}

/**
 * Returns the rules of the NAT. Linux keeps the source port if it can. The rules therefore change the source port
 * before connection tracking, by destination address and generation, and restore it after. They flip bits of the port,
 * so no two ports or addresses share a value. Linux still resolves collisions itself. The highest bit stays, so
 * ephemeral ports and WireGuard's usual port remain above 32767. Each generation has its own conntrack zone, which
 * forgets earlier mappings.
 */
function ruleset({ mapping, filter }: NatBehaviour, options: NatOptions, address: string, epoch: number): string {
  const { inside, outside, timeouts, hairpin = false } = options;
  const perAddress = mapping === 'address-dependent';
  const full = filter === 'none';
  return `table ip ${table} {
  map owners { type inet_service : ipv4_addr; flags timeout; timeout ${timeouts?.answered ?? 120}s; }
  chain before { type filter hook prerouting priority -350
    ${flips('s', inside, perAddress, epoch)}
    ct zone set ${epoch}
  }
  chain own { type filter hook output priority raw
    ct zone set ${epoch}
  }
  chain behind { type filter hook postrouting priority 300
    ${flips('d', inside, perAddress, epoch)}
  }
  chain learn { type filter hook forward priority -10
    ${full ? `iifname "${inside}" meta l4proto udp update @owners { udp sport : ip saddr }` : ''}
  }
  chain protect { type filter hook forward priority 0
    iifname "${outside}" ct state new ct status & dnat == 0 drop
  }
  chain local { type filter hook input priority 0
    ${filter === 'open' ? '' : `iifname "${outside}" ct state != { established, related } drop`}
  }
  chain inward { type nat hook prerouting priority dstnat
    ${full ? `iifname "${outside}" dnat to udp dport map @owners` : ''}
    ${hairpin ? `iifname "${inside}" ip daddr ${address} dnat to udp dport map @owners` : ''}
  }
  chain outward { type nat hook postrouting priority srcnat
    ${hairpin ? `iifname "${inside}" oifname "${inside}" snat to ${address}` : ''}
    oifname "${outside}" masquerade ${mapping === 'symmetric' ? 'random,fully-random' : ''}
  }
}
`;
}

/** Flips bits 11 to 14 by the generation, and bits 3 to 10 by the last eight bits of the outside host's address. */
function flips(port: 's' | 'd', inside: string, perAddress: boolean, epoch: number): string {
  const [at, outsideHost] = port === 's' ? [`iifname "${inside}"`, 'daddr'] : [`oifname "${inside}"`, 'saddr'];
  const flip = (bits: number): string => `udp ${port}port set udp ${port}port ^ ${bits}`;
  const rules = epoch === 0 ? [] : [`${at} ${flip(epoch << 11)}`];
  for (let bit = 1; perAddress && bit < 256; bit *= 2) {
    rules.push(`${at} ip ${outsideHost} & 0.0.0.${bit} == 0.0.0.${bit} ${flip(bit << 3)}`);
  }
  return rules.join('\n    ');
}

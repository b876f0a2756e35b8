import { Cleanup, Link, Nat, type NatOptions } from '@sallyport/testkit';
import { World } from './world.ts';

/** Plan of a lab. Names of hosts, NATs and LANs are distinct, and at most eight characters long. */
export interface LabPlan<Name extends string> {
  /** Routers with a NAT, each with its own private network. */
  readonly nats?: Readonly<Record<string, NatKind>>;
  /** Hosts, and the uplink of each: `internet`, or a NAT. */
  readonly hosts: Readonly<Record<Name, string>>;
  /** LANs with their member hosts, in order; each LAN has a server. */
  readonly lans?: Readonly<Record<string, readonly NoInfer<Name>[]>>;
}

type NatKind = Pick<NatOptions, 'mapping' | 'filter' | 'timeouts' | 'hairpin'>;

/**
 * A small internet with NATs, in network namespaces:
 *
 *   controller 203.0.113.10    host 203.0.113.20 …    NAT 203.0.113.60 …       one switch, `internet`
 *                                                      └── 192.168.70.1; host 192.168.70.2 …
 *
 *   first LAN 10.20.0.0/24: its hosts 10.20.0.1 …, its server 10.20.0.10; the next LAN is 10.21.0.0/24
 */
export class NatLab<Name extends string = string> extends World {
  readonly #plan: LabPlan<Name>;
  readonly #nats = new Map<string, Nat>();
  readonly #addresses = new Map<string, string>();
  readonly #uplinks = new Map<string, Link>();
  readonly #lanLinks = new Map<string, Link>();

  private constructor(plan: LabPlan<Name>, cleanup: Cleanup) {
    super(cleanup);
    this.#plan = plan;
  }

  static async create<Name extends string>(plan: LabPlan<Name>, cleanup = new Cleanup()): Promise<NatLab<Name>> {
    const lab = new NatLab(plan, cleanup);
    try {
      await lab.#build();
    } catch (error) {
      await cleanup.run();
      throw error;
    }
    return lab;
  }

  nat(name: string): Nat {
    return known(this.#nats, name);
  }

  /** Returns the address of a host's uplink (a private one behind a NAT), or of a LAN's server. */
  address(name: Name | 'controller' | (string & {})): string {
    return known(this.#addresses, name);
  }

  /** Returns the address of a host in its LAN, which servers see when the gateway masquerades. */
  lanAddress(name: Name): string {
    return known(this.#addresses, `${name} in its LAN`);
  }

  uplink(name: Name | 'controller'): Link {
    return known(this.#uplinks, name);
  }

  /** Cuts all cables of a host. `silently`: frames vanish; `unplugged`: the host loses its carrier. */
  async cut(name: Name | 'controller', how: 'silently' | 'unplugged' = 'silently'): Promise<void> {
    await Promise.all(this.#links(name).map((link) => link.cut(how)));
  }

  /** Cuts a host off its LAN only. */
  cutLan(name: Name, how: 'silently' | 'unplugged' = 'silently'): Promise<void> {
    return known(this.#lanLinks, name).cut(how);
  }

  /** Restores every cable of a host. */
  async restore(name: Name | 'controller'): Promise<void> {
    await Promise.all(this.#links(name).map((link) => link.restore()));
  }

  #links(name: string): Link[] {
    return [this.#uplinks.get(name), this.#lanLinks.get(name)].filter((link) => link !== undefined);
  }

  async #build(): Promise<void> {
    const { nats = {}, hosts, lans = {} } = this.#plan;
    const hostNames = Object.keys(hosts) as Name[];
    const natNames = Object.keys(nats);
    const lanNames = Object.keys(lans);
    const all = ['internet', 'controller', ...hostNames, ...natNames, ...lanNames, ...lanNames.map(serverOf)];
    if (new Set(all).size < all.length) throw new Error(`a name stands twice in ${all.join(' ')}`);
    const lost = hostNames.find((name) => ![...natNames, 'internet'].includes(hosts[name]));
    if (lost !== undefined) throw new Error(`${lost} has its uplink nowhere: ${hosts[lost]}`);
    await this.addSpaces(all);
    await this.bridge('internet');
    await Promise.all([
      this.#join('controller', 'internet', 10),
      ...natNames.map((name, index) => this.#addNat(name, index, nats[name] ?? {})),
      ...hostNames.filter((name) => hosts[name] === 'internet').map((name, i) => this.#join(name, 'internet', 20 + i)),
    ]);
    const inside = (nat: string) => hostNames.filter((name) => hosts[name] === nat);
    await Promise.all([
      ...natNames.flatMap((nat) => inside(nat).map((name, i) => this.#join(name, nat, 2 + i))),
      ...lanNames.map((name, index) => this.#addLan(name, 20 + index, lans[name] ?? [])),
    ]);
  }

  async #addNat(name: string, index: number, kind: NatKind): Promise<void> {
    const address = `203.0.113.${60 + index}/24`;
    const space = this.space(name);
    const port = await this.plug(name, 'wan0', [address], 'internet');
    this.#uplinks.set(name, new Link(this.space('internet'), port));
    await this.bridge(name, 'home0', [`192.168.${70 + index}.1/24`]);
    // Neighbours behind a NAT reach each other directly.
    await space.sysctl('net.bridge.bridge-nf-call-iptables', 0);
    this.#nats.set(name, await Nat.create(space, { ...kind, inside: 'home0', outside: 'wan0', address }));
  }

  /** Connects a host to its uplink. */
  async #join(name: string, to: string, number: number): Promise<void> {
    const natIndex = Object.keys(this.#plan.nats ?? {}).indexOf(to);
    const network = natIndex < 0 ? '203.0.113' : `192.168.${70 + natIndex}`;
    const address = `${network}.${number}`;
    const port = await this.plug(name, 'wan0', [`${address}/24`], to, natIndex < 0 ? 'br0' : 'home0');
    if (natIndex >= 0) await this.space(name).ip('route', 'add', 'default', 'via', `${network}.1`);
    this.#addresses.set(name, address);
    this.#uplinks.set(name, new Link(this.space(to), port));
  }

  async #addLan(name: string, network: number, members: readonly Name[]): Promise<void> {
    await this.bridge(name);
    const server = serverOf(name);
    await this.plug(server, 'lan0', [`10.${network}.0.10/24`], name);
    await this.space(server).ip('route', 'add', 'default', 'via', `10.${network}.0.1`);
    this.#addresses.set(server, `10.${network}.0.10`);
    for (const [index, member] of members.entries()) {
      const address = `10.${network}.0.${1 + index}`;
      this.#lanLinks.set(member, new Link(this.space(name), await this.plug(member, 'lan0', [`${address}/24`], name)));
      this.#addresses.set(`${member} in its LAN`, address);
    }
  }
}

/** Name of the server in a LAN. */
export function serverOf(lan: string): string {
  return `${lan}-web`;
}

function known<T>(map: ReadonlyMap<string, T>, name: string): T {
  const value = map.get(name);
  if (value === undefined) throw new Error(`there is no ${name}, only ${[...map.keys()].join(' ')}`);
  return value;
}

import { Cleanup, cable } from '@sallyport/testkit';
import { World } from './world.ts';

/**
 * A small internet on this machine, in network namespaces:
 *
 *   controller 203.0.113.10 ─┐                         ┌─ web   10.20.0.10  fd20::10
 *   gateway    203.0.113.20 ─┤ internet (a bridge)     │
 *      └── lan 10.20.0.1 fd20::1 ── lan bridge ────────┤
 *   nat        203.0.113.30 ─┤                         └─ printer 10.20.0.11  fd20::11
 *      └── laptop 192.168.77.2 (behind the NAT)
 *   visitor    203.0.113.40 ─┘
 *
 * The addresses of the internet above are for documentation, so no policy takes them for public. What is public lies behind
 * the gateway's default route: a server with 11.1.1.10 and 2a00:1::10, and 12.1.1.10 and 2a00:2::10 farther away.
 */
export class SmallInternet extends World<Place> {
  /** `prefix` starts the names of all namespaces. */
  static async create(cleanup = new Cleanup(), prefix?: string): Promise<SmallInternet> {
    const world = new SmallInternet(cleanup, prefix);
    try {
      await world.#build();
    } catch (error) {
      await cleanup.run();
      throw error;
    }
    return world;
  }

  async #build(): Promise<void> {
    await this.addSpaces(places);
    await this.bridge('internet');
    await this.plug('controller', 'wan0', ['203.0.113.10/24', '2001:db8:f::10/64'], 'internet');
    await this.plug('gateway', 'wan0', ['203.0.113.20/24', '2001:db8:f::20/64'], 'internet');
    await this.plug('nat', 'wan0', ['203.0.113.30/24'], 'internet');
    await this.plug('visitor', 'wan0', ['203.0.113.40/24', '2001:db8:f::40/64'], 'internet');
    await this.bridge('lan');
    await this.plug('gateway', 'lan0', ['10.20.0.1/24', 'fd20::1/64'], 'lan');
    await this.plug('web', 'lan0', ['10.20.0.10/24', 'fd20::10/64'], 'lan');
    await this.plug('printer', 'lan0', ['10.20.0.11/24', 'fd20::11/64'], 'lan');
    await this.#natted();
    await this.#public();
  }

  async #public(): Promise<void> {
    const [gateway, server] = [this.space('gateway'), this.space('server')];
    await cable(
      { namespace: gateway, interface: 'pub0', addresses: publicGateway.map(withNetwork) },
      { namespace: server, interface: 'pub0', addresses: publicServer.near.map(withNetwork) },
    );
    for (const address of publicServer.far) {
      await server.ip('address', 'add', address, 'dev', 'lo', ...(address.includes(':') ? ['nodad'] : []));
    }
    for (const address of publicServer.near) await gateway.ip('route', 'add', 'default', 'via', address);
  }

  async #natted(): Promise<void> {
    const nat = this.space('nat');
    const laptop = this.space('laptop');
    await cable(
      { namespace: nat, interface: 'home0', addresses: ['192.168.77.1/24'] },
      { namespace: laptop, interface: 'eth0', addresses: ['192.168.77.2/24'] },
    );
    await laptop.ip('route', 'add', 'default', 'via', '192.168.77.1');
    await nat.sysctl('net.ipv4.ip_forward', 1);
    await nat.exec(
      'nft',
      'add table ip nat; add chain ip nat post { type nat hook postrouting priority srcnat; }; add rule ip nat post oifname "wan0" masquerade',
    );
  }
}

/** Addresses of the public server behind the gateway. */
export const publicServer = { near: ['11.1.1.10', '2a00:1::10'], far: ['12.1.1.10', '2a00:2::10'] } as const;
/** Addresses of the gateway towards the public server, which knows no other route back. */
export const publicGateway = ['11.1.1.1', '2a00:1::1'] as const;

/** Names of the namespaces. */
export const places = [
  'internet',
  'lan',
  'controller',
  'gateway',
  'nat',
  'laptop',
  'visitor',
  'web',
  'printer',
  'server',
] as const;
/** Name of a namespace. */
export type Place = (typeof places)[number];

function withNetwork(address: string): string {
  return `${address}/${address.includes(':') ? 64 : 24}`;
}

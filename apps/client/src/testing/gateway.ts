import { randomBytes } from 'node:crypto';
import { peerItem } from '@sallyport/agent-core/testing';
import type { PeerItem } from '@sallyport/contract/channel';
import { type Cleanup, exec, Host, type Namespace } from '@sallyport/testkit';
import { type PeerChange, privateKeyFrom, publicKeyOf, userspaceBackend } from '@sallyport/wireguard';

/** UDP port of WireGuard on test gateways. */
export const wireguardPort = 51820;

/**
 * A gateway as a device sees it: a WireGuard peer whose kernel refuses connections at port 1. Destinations behind it
 * are addresses of the same namespace.
 */
export class FakeGateway {
  readonly n: number;
  readonly namespace: Namespace;
  readonly host: Host;
  readonly interface: string;
  /** Endpoint address of the gateway. */
  readonly address: string;
  readonly #privateKey = privateKeyFrom(randomBytes(32));

  private constructor(n: number, namespace: Namespace, host: Host, name: string, address: string) {
    this.n = n;
    this.namespace = namespace;
    this.host = host;
    this.interface = name;
    this.address = address;
  }

  /** `behind`: addresses that answer on TCP 80 and UDP 81. */
  static async start(
    n: number,
    namespace: Namespace,
    name: string,
    address: string,
    behind: readonly string[],
    cleanup: Cleanup,
  ): Promise<FakeGateway> {
    const host = await Host.start(namespace, cleanup);
    const gateway = new FakeGateway(n, namespace, host, name, address);
    await namespace.exec('wireguard-go', name);
    cleanup.add(() => exec('ip', ['-n', namespace.name, 'link', 'del', name]).then(() => undefined));
    await gateway.#apply([]);
    for (const own of gateway.item().addresses) {
      await namespace.ip('addr', 'add', own, 'dev', name, ...(own.includes(':') ? ['nodad'] : []));
    }
    await namespace.ip('link', 'set', name, 'up', 'mtu', '1280');
    await namespace.ip('route', 'add', '100.64.0.0/10', 'dev', name);
    for (const one of behind) await namespace.ip('addr', 'add', `${one}/32`, 'dev', 'lo');
    await host.listenTcp(80);
    for (const one of behind) await host.listenUdp(81, one);
    return gateway;
  }

  item(over: Partial<PeerItem> = {}): PeerItem {
    return peerItem(this.n, {
      publicKey: publicKeyOf(this.#privateKey),
      endpoints: [`${this.address}:${wireguardPort}`],
      relays: [],
      ...over,
    });
  }

  /** Adds a device as a peer. */
  admit(publicKey: string, addresses: readonly string[]): Promise<void> {
    const allowedIps = addresses.map((address) => `${address}/${address.includes(':') ? 128 : 32}`);
    return this.#apply([{ kind: 'set', peer: { publicKey, allowedIps } }]);
  }

  async transfer(publicKey: string): Promise<number> {
    return (await userspaceBackend().read(this.interface))?.peers.get(publicKey)?.rxBytes ?? 0;
  }

  #apply(peers: readonly PeerChange[]): Promise<void> {
    return userspaceBackend().apply(this.interface, { privateKey: this.#privateKey, listenPort: wireguardPort, peers });
  }
}

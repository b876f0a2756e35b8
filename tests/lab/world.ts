import { type Cleanup, cable, Host, Namespace, uniqueTag } from '@sallyport/testkit';

/** Namespaces by name, and their connections: the base of every lab. */
export class World<Place extends string = string> {
  readonly tag = uniqueTag();
  readonly cleanup: Cleanup;
  readonly #prefix: string;
  readonly #spaces = new Map<string, Namespace>();
  readonly #hosts = new Map<string, Promise<Host>>();

  /** `prefix` starts the names of all namespaces. */
  protected constructor(cleanup: Cleanup, prefix = `sp-${uniqueTag()}-`) {
    this.cleanup = cleanup;
    this.#prefix = prefix;
  }

  space(name: Place): Namespace {
    const space = this.#spaces.get(name);
    if (space === undefined) throw new Error(`no namespace ${name}`);
    return space;
  }

  /** Returns the host that acts in a namespace; it starts at first use. */
  host(name: Place): Promise<Host> {
    let host = this.#hosts.get(name);
    if (host === undefined) {
      host = Host.start(this.space(name), this.cleanup);
      this.#hosts.set(name, host);
    }
    return host;
  }

  /** Returns a unique interface name: WireGuard's control sockets are in one folder for all namespaces. */
  interfaceName(short: string): string {
    return `${short.replace(/\W/g, '').slice(0, 9)}${this.tag}`;
  }

  protected async addSpaces(names: readonly Place[]): Promise<void> {
    await Promise.all(
      names.map(async (name) => {
        this.#spaces.set(name, await Namespace.create(`${this.#prefix}${name}`, this.cleanup));
      }),
    );
  }

  /** Creates a switch in a namespace, with addresses of the namespace on it. */
  protected async bridge(name: Place, device = 'br0', addresses: readonly string[] = []): Promise<void> {
    const space = this.space(name);
    await space.ip('link', 'add', device, 'type', 'bridge', 'stp_state', '0', 'forward_delay', '0');
    for (const address of addresses) await space.ip('addr', 'add', address, 'dev', device);
    await space.ip('link', 'set', device, 'up');
  }

  /** Connects a host to a switch with a cable; returns the name of the switch's port. */
  protected async plug(
    name: Place,
    device: string,
    addresses: readonly string[],
    into: Place,
    bridge = 'br0',
  ): Promise<string> {
    const port = `${name.slice(0, 8)}-${device.slice(0, 3)}`;
    await cable(
      { namespace: this.space(name), interface: device, addresses },
      { namespace: this.space(into), interface: port, addresses: [] },
    );
    await this.space(into).ip('link', 'set', port, 'master', bridge);
    return port;
  }
}

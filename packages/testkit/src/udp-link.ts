import type { Host } from './host.ts';
import type { LinkCounts, LinkWeather } from './host-links.ts';
import { uniqueTag } from './netns.ts';

/** Options of a UdpLink. */
export interface UdpLinkOptions extends Partial<LinkWeather> {
  /** `address:port` of the target. */
  readonly target: string;
  /** Address on which the link listens; by default any port of any address. */
  readonly listen?: string;
  /**
   * Interface of the router by which senders reach the target. Traffic from it to the target passes through the link
   * transparently, and answers keep the target's address. Existing flows stay unchanged.
   */
  readonly divert?: string;
  readonly seed?: number;
}

const fair: LinkWeather = { delayMs: 0, jitterMs: 0, lossPercent: 0 };

/**
 * Adds delay, jitter and loss to UDP where the kernel has no netem: a forwarder in a host. The target sees the host's
 * address and one port for each sender. Delays are each way. With jitter, datagrams overtake each other.
 */
export class UdpLink {
  readonly port: number;
  readonly #host: Host;
  readonly #id: string;
  #weather: LinkWeather;
  #diverted = false;

  private constructor(host: Host, id: string, port: number, weather: LinkWeather) {
    this.#host = host;
    this.#id = id;
    this.port = port;
    this.#weather = weather;
  }

  static async start(host: Host, { target, listen, divert, seed = 1, ...given }: UdpLinkOptions): Promise<UdpLink> {
    const id = uniqueTag();
    const weather = { ...fair, ...given };
    const port = (await host.call({
      op: 'link-start',
      id,
      target: parse(target),
      listen: parse(listen ?? '0.0.0.0:0'),
      weather,
      seed,
    })) as number;
    const link = new UdpLink(host, id, port, weather);
    if (divert !== undefined) await link.#divert(divert, target);
    return link;
  }

  /** Changes the given settings for following datagrams. */
  async weather(change: Partial<LinkWeather>): Promise<void> {
    this.#weather = { ...this.#weather, ...change };
    await this.#host.call({ op: 'link-weather', id: this.#id, weather: this.#weather });
  }

  counts(): Promise<LinkCounts> {
    return this.#host.call({ op: 'link-counts', id: this.#id }) as Promise<LinkCounts>;
  }

  async stop(): Promise<void> {
    if (this.#diverted) await this.#host.namespace.nft(`delete table ip ${this.#table}`);
    await this.#host.call({ op: 'link-stop', id: this.#id });
  }

  async #divert(from: string, target: string): Promise<void> {
    const { address, port } = parse(target);
    await this.#host.namespace.nft(`table ip ${this.#table} {
  chain divert { type nat hook prerouting priority dstnat - 1
    iifname "${from}" ip daddr ${address} udp dport ${port} redirect to :${this.port}
  }
}`);
    this.#diverted = true;
  }

  get #table(): string {
    return `lab_link_${this.#id}`;
  }
}

function parse(text: string): { address: string; port: number } {
  const [address = '', port] = text.split(':');
  return { address, port: Number(port) };
}

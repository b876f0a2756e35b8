import dgram from 'node:dgram';

/** Weather of a link: constant delay each way, up to `jitterMs` more at random, and loss. */
export interface LinkWeather {
  readonly delayMs: number;
  readonly jitterMs: number;
  readonly lossPercent: number;
}

export interface LinkAddress {
  readonly address: string;
  readonly port: number;
}

export type LinkCall =
  | { op: 'link-start'; id: string; target: LinkAddress; listen: LinkAddress; weather: LinkWeather; seed: number }
  | { op: 'link-weather'; id: string; weather: LinkWeather }
  | { op: 'link-counts' | 'link-stop'; id: string };

/** Datagrams that went through, and that were lost on purpose, both ways together. */
export interface LinkCounts {
  readonly forwarded: number;
  readonly lost: number;
}

const links = new Map<string, Forwarder>();

export async function performLink(call: LinkCall): Promise<unknown> {
  if (call.op === 'link-start') {
    const forwarder = new Forwarder(call);
    links.set(call.id, forwarder);
    return forwarder.listen(call.listen);
  }
  const forwarder = links.get(call.id);
  if (forwarder === undefined) throw new Error(`no link ${call.id}`);
  switch (call.op) {
    case 'link-weather':
      forwarder.weather = call.weather;
      return undefined;
    case 'link-counts':
      return forwarder.counts;
    case 'link-stop':
      links.delete(call.id);
      return forwarder.close();
  }
}

/** Passes datagrams between whoever writes to it and one target, with a socket of its own towards the target for each. */
class Forwarder {
  weather: LinkWeather;
  readonly counts = { forwarded: 0, lost: 0 };
  readonly #target: LinkAddress;
  readonly #front = dgram.createSocket('udp4');
  readonly #backs = new Map<string, dgram.Socket>();
  #random: number;
  #closed = false;

  constructor({ target, weather, seed }: Extract<LinkCall, { op: 'link-start' }>) {
    this.weather = weather;
    this.#target = target;
    this.#random = seed;
    this.#front.on('message', (data, from) => this.#carry(data, this.#backFor(from), this.#target));
  }

  listen({ address, port }: LinkAddress): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#front.once('error', reject);
      this.#front.bind(port, address, () => {
        this.#front.removeAllListeners('error').on('error', () => undefined);
        resolve(this.#front.address().port);
      });
    });
  }

  close(): void {
    this.#closed = true;
    for (const socket of [this.#front, ...this.#backs.values()]) socket.close();
  }

  #backFor(from: LinkAddress): dgram.Socket {
    const key = `${from.address}:${from.port}`;
    let back = this.#backs.get(key);
    if (back === undefined) {
      back = dgram.createSocket('udp4');
      back.on('error', () => undefined);
      back.on('message', (data) => this.#carry(data, this.#front, from));
      this.#backs.set(key, back);
    }
    return back;
  }

  #carry(data: Buffer, out: dgram.Socket, to: LinkAddress): void {
    const { delayMs, jitterMs, lossPercent } = this.weather;
    if (this.#next() * 100 < lossPercent) {
      this.counts.lost++;
      return;
    }
    const send = () => {
      if (this.#closed) return;
      this.counts.forwarded++;
      out.send(data, to.port, to.address, () => undefined);
    };
    const wait = delayMs + this.#next() * jitterMs;
    if (wait === 0) send();
    else setTimeout(send, wait);
  }

  /** mulberry32: the same losses for the same seed and the same order of datagrams. */
  #next(): number {
    this.#random = (this.#random + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#random ^ (this.#random >>> 15), 1 | this.#random);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }
}

import dgram from 'node:dgram';

/** Quality of a link: constant delay each way, random jitter of up to `jitterMs`, and loss. */
export interface LinkWeather {
  readonly delayMs: number;
  readonly jitterMs: number;
  readonly lossPercent: number;
}

/** Addresses of a link. */
export interface LinkAddress {
  readonly address: string;
  readonly port: number;
}

/** A call that concerns a link. */
export type LinkCall =
  | { op: 'link-start'; id: string; target: LinkAddress; listen: LinkAddress; weather: LinkWeather; seed: number }
  | { op: 'link-weather'; id: string; weather: LinkWeather }
  | { op: 'link-counts' | 'link-stop'; id: string };

/** Datagrams forwarded, and datagrams dropped on purpose, in both directions. */
export interface LinkCounts {
  readonly forwarded: number;
  readonly lost: number;
}

const links = new Map<string, Forwarder>();

/** Carries out a call that concerns a link. */
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

/** Forwards datagrams between its senders and one target, with a socket towards the target for each sender. */
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

  /** Returns random numbers (mulberry32): the same seed and order of datagrams give the same losses. */
  #next(): number {
    this.#random = (this.#random + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#random ^ (this.#random >>> 15), 1 | this.#random);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }
}

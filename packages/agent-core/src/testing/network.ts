/** NAT of a host. `independent` and `symmetric` accept only datagrams from earlier destinations. */
export type NatKind = 'open' | 'independent' | 'symmetric';

/** A datagram on the simulated network. */
export interface Datagram {
  readonly src: string;
  readonly dst: string;
  readonly body: unknown;
}

/** Receives the datagrams of a host. */
export type Receiver = (datagram: Datagram) => void;

/** Carries datagrams between hosts in simulated time. `dice` provides all randomness, in [0, 1). */
export class Network {
  readonly dice: () => number;
  now = 0;
  /** Loss probability of each datagram. */
  loss = 0;
  /** One-way delay, milliseconds. */
  readonly latencyMs: (from: string, to: string) => number;
  readonly #nats = new Map<string, Nat>();
  readonly #receivers = new Map<string, Receiver>();
  readonly #cuts = new Set<string>();
  readonly #dead = new Set<string>();
  #events: { readonly at: number; readonly order: number; readonly run: () => void }[] = [];
  #order = 0;

  constructor(dice: () => number, latencyMs: (from: string, to: string) => number = () => 10) {
    this.dice = dice;
    this.latencyMs = latencyMs;
  }

  attach(ip: string, kind: NatKind, receiver: Receiver): void {
    this.#nats.set(ip, new Nat(ip, kind));
    this.#receivers.set(ip, receiver);
  }

  /** Drops all mappings of the NAT. New mappings get other ports. */
  rebind(ip: string): void {
    this.#nats.get(ip)?.rebind();
  }

  become(ip: string, kind: NatKind): void {
    this.#nats.set(ip, new Nat(ip, kind));
  }

  /** Blocks all datagrams between two hosts. */
  cut(a: string, b: string, isCut = true): void {
    for (const pair of [`${a} ${b}`, `${b} ${a}`]) this.#toggle(this.#cuts, pair, isCut);
  }

  kill(ip: string, dead = true): void {
    this.#toggle(this.#dead, ip, dead);
  }

  isDead(ip: string): boolean {
    return this.#dead.has(ip);
  }

  /** Sends from the host with this address, through its NAT or from the given port. */
  send(from: string, dst: string, body: unknown, port?: number): void {
    const to = hostOf(dst);
    const src = port === undefined ? this.#nats.get(from)?.out(dst) : `${from}:${port}`;
    if (src === undefined || this.#dead.has(from) || this.#cuts.has(`${from} ${to}`) || this.dice() < this.loss) return;
    this.after(this.latencyMs(from, to), () => {
      if (this.#dead.has(to) || this.#nats.get(to)?.lets(src, dst) !== true) return;
      this.#receivers.get(to)?.({ src, dst, body });
    });
  }

  after(ms: number, run: () => void): void {
    this.#order += 1;
    const event = { at: this.now + ms, order: this.#order, run };
    let [low, high] = [0, this.#events.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#events[middle];
      if (other !== undefined && other.at > event.at) low = middle + 1;
      else high = middle;
    }
    this.#events.splice(low, 0, event);
  }

  run(ms: number): void {
    const end = this.now + ms;
    for (let next = this.#events.at(-1); next !== undefined && next.at <= end; next = this.#events.at(-1)) {
      this.#events.pop();
      this.now = next.at;
      next.run();
    }
    this.now = end;
  }

  /** Returns the milliseconds until the condition holds, or Infinity after the limit. */
  until(condition: () => boolean, limitMs: number): number {
    const start = this.now;
    while (this.now - start <= limitMs) {
      if (condition()) return this.now - start;
      this.run(10);
    }
    return Number.POSITIVE_INFINITY;
  }

  #toggle(set: Set<string>, key: string, on: boolean): void {
    if (on) set.add(key);
    else set.delete(key);
  }
}

class Nat {
  readonly #ip: string;
  readonly #kind: NatKind;
  #port = 51820;
  /** External port by destination. It also determines the destinations that a port accepts. */
  #mappings = new Map<string, number>();

  constructor(ip: string, kind: NatKind) {
    this.#ip = ip;
    this.#kind = kind;
    if (kind !== 'open') this.#port = 20_000;
  }

  rebind(): void {
    if (this.#kind === 'open') return;
    this.#port += 100;
    this.#mappings = new Map();
  }

  out(dst: string): string {
    if (this.#kind === 'open') return `${this.#ip}:51820`;
    const known = this.#mappings.get(dst);
    const port = known ?? (this.#kind === 'independent' ? this.#port : this.#port + this.#mappings.size + 1);
    this.#mappings.set(dst, port);
    return `${this.#ip}:${port}`;
  }

  lets(src: string, dst: string): boolean {
    return this.#kind === 'open' || this.#mappings.get(src) === portOf(dst);
  }
}

/** Returns the address of an endpoint. */
export function hostOf(endpoint: string): string {
  return endpoint.slice(0, endpoint.lastIndexOf(':'));
}

/** Returns the port of an endpoint. */
export function portOf(endpoint: string): number {
  return Number(endpoint.slice(endpoint.lastIndexOf(':') + 1));
}

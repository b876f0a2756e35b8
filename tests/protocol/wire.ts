import { Duplex } from 'node:stream';
import type { Clock } from './clock.ts';

/** Bytes in transit before the sender has to wait, as the buffers of two kernels hold them. */
const windowBytes = 64 * 1024;

/** Options of a wire. */
export interface WireOptions {
  readonly clock: Clock;
  /** Delay of the next piece in milliseconds. */
  readonly delayMs: () => number;
  /** Address of the agent, as the controller sees it. */
  readonly source: string;
  /** Called on every event, so that a test knows when the system is quiet. */
  readonly moved: () => void;
}

/**
 * An in-memory TCP connection: bytes arrive late but in order, or not at all. It can be cut, be half-open (neither side
 * receives anything, not even the end), or have a side that does not read.
 */
export class Wire {
  readonly agentEnd: Duplex;
  readonly controllerEnd: Duplex;
  readonly #up: Lane;
  readonly #down: Lane;

  constructor(options: WireOptions) {
    this.#up = new Lane(options, () => this.controllerEnd);
    this.#down = new Lane(options, () => this.agentEnd);
    this.agentEnd = endOf(this.#up, this.#down, '192.0.2.1');
    this.controllerEnd = endOf(this.#down, this.#up, options.source);
  }

  /** Cuts the connection; both sides are informed. */
  cut(): void {
    for (const end of [this.agentEnd, this.controllerEnd]) end.destroy(reset());
  }

  /** Makes the connection half-open: nothing arrives, and no side is informed. */
  halfOpen(): void {
    this.#up.lose();
    this.#down.lose();
  }

  /** Whether the agent reads arrived data from its socket. */
  set agentReads(reads: boolean) {
    this.#down.hold(!reads);
  }

  /** Delays all data for a while, in both directions; then everything arrives. */
  set frozen(frozen: boolean) {
    this.#up.hold(frozen);
    this.#down.hold(frozen);
  }
}

type Piece = { readonly at: number; readonly what: Buffer | 'end' | 'reset' };

/** One direction of a wire. */
class Lane {
  readonly #options: WireOptions;
  readonly #target: () => Duplex;
  readonly #pieces: Piece[] = [];
  readonly #waiting: (() => void)[] = [];
  #bytes = 0;
  #arrivesAt = 0;
  #held = false;
  #lost = false;
  #full = false;

  constructor(options: WireOptions, target: () => Duplex) {
    this.#options = options;
    this.#target = target;
  }

  send(what: Piece['what'], taken: () => void): void {
    const { clock, delayMs, moved } = this.#options;
    moved();
    if (typeof what !== 'string') this.#bytes += what.length;
    this.#waiting.push(taken);
    this.#arrivesAt = Math.max(this.#arrivesAt, clock.now() + Math.ceil(delayMs()));
    if (!this.#lost) {
      this.#pieces.push({ at: this.#arrivesAt, what });
      this.#later();
    }
    this.#admit();
  }

  lose(): void {
    this.#lost = true;
    this.#pieces.length = 0;
  }

  hold(held: boolean): void {
    this.#held = held;
    this.#later();
  }

  /** The reader has room again. */
  resume(): void {
    if (!this.#full) return;
    this.#full = false;
    this.#later();
  }

  #later(): void {
    const [first] = this.#pieces;
    if (first === undefined || this.#held || this.#full) return;
    const { clock } = this.#options;
    const wait = first.at - clock.now();
    if (wait <= 0) clock.soon(() => this.#deliver());
    else clock.after(wait, () => this.#deliver());
  }

  #deliver(): void {
    const target = this.#target();
    while (
      !this.#held &&
      !this.#full &&
      (this.#pieces[0]?.at ?? Number.POSITIVE_INFINITY) <= this.#options.clock.now()
    ) {
      const { what } = this.#pieces.shift() as Piece;
      this.#options.moved();
      if (what === 'reset') target.destroy(reset());
      else if (what === 'end') target.push(null);
      else {
        this.#bytes -= what.length;
        if (!target.destroyed) this.#full = !target.push(what);
      }
    }
    this.#admit();
    this.#later();
  }

  #admit(): void {
    while (this.#bytes < windowBytes && this.#waiting.length > 0) this.#waiting.shift()?.();
  }
}

function endOf(out: Lane, incoming: Lane, remoteAddress: string): Duplex {
  const end = new Duplex({
    write: (chunk: Buffer, _, taken) => out.send(chunk, taken),
    read: () => incoming.resume(),
    final: (taken) => out.send('end', taken),
    destroy: (error, done) => {
      out.send('reset', () => undefined);
      done(error);
    },
  });
  const none = () => end;
  return Object.assign(end, {
    remoteAddress,
    setTimeout: none,
    setNoDelay: none,
    setKeepAlive: none,
    ref: none,
    unref: none,
  });
}

function reset(): Error {
  return Object.assign(new Error('the connection was reset'), { code: 'ECONNRESET' });
}

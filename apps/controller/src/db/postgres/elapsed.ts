import os from 'node:os';

/** The clocks of a machine, in milliseconds. */
export interface MachineClocks {
  /** Goes on evenly, and stands still while the machine is suspended. */
  readonly monotonic: () => number;
  /** Can be set. */
  readonly wall: () => number;
  /** Goes on while the machine is suspended. Costs a system call, and is coarse. */
  readonly uptime: () => number;
}

const own: MachineClocks = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
  uptime: () => os.uptime() * 1000,
};

/** A difference between the clocks that is worth a look. */
const noticeMs = 100;

/**
 * Time that has passed. It goes on while the process is stopped and while the machine is suspended, and does not care when
 * somebody sets the clock. A suspended machine sets its clock when it wakes: then its uptime tells how long that was.
 */
export class Elapsed {
  readonly #clocks: MachineClocks;
  readonly #uptimeAhead: number;
  #wallAhead: number;
  #suspendedMs = 0;

  constructor(clocks: MachineClocks = own) {
    this.#clocks = clocks;
    const { monotonic, wall, uptime } = clocks;
    this.#wallAhead = wall() - monotonic();
    this.#uptimeAhead = uptime() - monotonic();
  }

  /** Milliseconds since some moment before the first call. */
  now(): number {
    const { monotonic, wall, uptime } = this.#clocks;
    const now = monotonic();
    const wallAhead = wall() - now;
    if (Math.abs(wallAhead - this.#wallAhead) > noticeMs) {
      this.#wallAhead = wallAhead;
      const suspended = uptime() - now - this.#uptimeAhead;
      if (suspended > this.#suspendedMs + noticeMs) this.#suspendedMs = suspended;
    }
    return now + this.#suspendedMs;
  }
}

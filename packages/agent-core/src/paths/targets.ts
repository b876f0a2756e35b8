/** An address and port whose answer proves the path. `port` null: an ICMP echo. */
export interface Target {
  readonly address: string;
  readonly port: number | null;
}

/** A host that answered this device: a TCP server, or the target of an ICMP echo. */
export interface Answering extends Target {
  readonly agoMs: number;
}

/**
 * Targets behind one route. The controller names a TCP port of a single address. For networks and port ranges, the device
 * uses hosts that it saw answering. Without such a host, it tests whether a single address answers an echo.
 */
export class Targets {
  readonly #named: Target | null;
  /** An address that may answer an echo, if a policy allows it. */
  readonly #echo: Target | null;
  /** Targets seen answering, the latest first. */
  #seen: readonly Seen[] = [];
  #forgottenAt = -Infinity;
  #askAt = -Infinity;
  #pauseMs = firstEchoPauseMs;

  constructor(named: Target | null, echo: Target | null) {
    this.#named = named;
    this.#echo = echo;
  }

  /** Returns the targets to try, in order. */
  get all(): readonly Target[] {
    const seen = this.#seen.map(({ target }) => target);
    return this.#named === null ? seen : [this.#named, ...seen];
  }

  saw({ address, port, agoMs }: Answering, now: number): void {
    const at = now - agoMs;
    if (at <= this.#forgottenAt || (this.#named?.address === address && this.#named.port === port)) return;
    const others = this.#seen.filter(({ target }) => target.address !== address || target.port !== port);
    const all = [{ target: { address, port }, at }, ...others];
    this.#seen = all.toSorted((a, b) => b.at - a.at).slice(0, mostSeen);
  }

  /** Removes targets that no longer answer. */
  forget(now: number): void {
    this.#seen = [];
    this.#forgottenAt = now;
  }

  /** Returns an address for an echo while the path works. Returns null if no echo is needed. */
  echoToAsk(now: number): Target | null {
    if (this.#echo === null || this.all.length > 0 || now < this.#askAt) return null;
    this.#askAt = now + this.#pauseMs;
    this.#pauseMs = Math.min(2 * this.#pauseMs, longestEchoPauseMs);
    return this.#echo;
  }
}

interface Seen {
  readonly target: Target;
  readonly at: number;
}

/** Maximum targets of a route. With several, the failure of one server does not look like a failure of all. */
const mostSeen = 3;
const firstEchoPauseMs = 10_000;
const longestEchoPauseMs = 600_000;

/** Where an answer shows that the way leads there. `port` null: an ICMP echo. */
export interface Target {
  readonly address: string;
  readonly port: number | null;
}

/** A host that answered this device: a TCP server, or the target of an ICMP echo. */
export interface Answering extends Target {
  readonly agoMs: number;
}

/**
 * What can be asked behind one route. The controller names a TCP port of a single address. In networks and ranges of ports,
 * the device goes by those that it saw answering; where there are none, it looks whether the one address answers an echo.
 */
export class Targets {
  readonly #named: Target | null;
  /** An address that may answer an echo, if a policy lets it through. */
  readonly #echo: Target | null;
  /** Those seen last, the latest first. */
  #seen: readonly Seen[] = [];
  #forgottenAt = -Infinity;
  #askAt = -Infinity;
  #pauseMs = firstEchoPauseMs;

  constructor(named: Target | null, echo: Target | null) {
    this.#named = named;
    this.#echo = echo;
  }

  /** Those to try, in this order. */
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

  /** They do not answer any more. */
  forget(now: number): void {
    this.#seen = [];
    this.#forgottenAt = now;
  }

  /** An address to send an echo to now, while the way to it works; null: none is needed. */
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

/** Of one route, so that the end of one server does not look like the end of all. */
const mostSeen = 3;
const firstEchoPauseMs = 10_000;
const longestEchoPauseMs = 600_000;

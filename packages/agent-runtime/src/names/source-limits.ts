/** What one source may take of a DNS server, so that it leaves enough for the others. */
export interface SourceShare {
  /** Queries that wait for their answers. */
  readonly pending: number;
  readonly perSecond: number;
  /** Open connections. */
  readonly connections: number;
}

/** Counts what each source takes. */
export class SourceLimits {
  readonly #share: SourceShare;
  readonly #pending = new Map<string, number>();
  readonly #connections = new Map<string, number>();
  readonly #asked = new Map<string, number>();
  #second = 0;

  constructor(share: SourceShare) {
    this.#share = share;
  }

  /** Counts a query at `now` (milliseconds of any clock), unless it is one too many. */
  begin(source: string, now: number): boolean {
    const second = Math.floor(now / 1000);
    if (second !== this.#second) this.#asked.clear();
    this.#second = second;
    if (!take(this.#asked, source, this.#share.perSecond)) return false;
    return take(this.#pending, source, this.#share.pending);
  }

  /** A query that was counted has got its answer. */
  end(source: string): void {
    giveBack(this.#pending, source);
  }

  /** Counts a connection, unless it is one too many. */
  connect(source: string): boolean {
    return take(this.#connections, source, this.#share.connections);
  }

  /** A connection that was counted has ended. */
  disconnect(source: string): void {
    giveBack(this.#connections, source);
  }
}

function take(counts: Map<string, number>, source: string, most: number): boolean {
  const count = counts.get(source) ?? 0;
  if (count >= most) return false;
  counts.set(source, count + 1);
  return true;
}

function giveBack(counts: Map<string, number>, source: string): void {
  const count = (counts.get(source) ?? 0) - 1;
  if (count > 0) counts.set(source, count);
  else counts.delete(source);
}

import { formatAddress, parseUnmapped } from '@sallyport/ip';

/**
 * Counts failed handshakes per source and says when a source has had too many. Each failure is forgotten after a while
 * (a leaky bucket); of too many sources the oldest is forgotten, so memory stays bounded. Of the networks around a host
 * each may have four times as many as the one in it, and forgets them four times as fast.
 */
export class FailureLimiter {
  readonly #limits: { readonly failures: number; readonly failureForgottenMs: number; readonly failingSources: number };
  readonly #buckets = new Map<string, { level: number; at: number }>();

  constructor(limits: {
    readonly failures: number;
    readonly failureForgottenMs: number;
    readonly failingSources: number;
  }) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#buckets.size;
  }

  failed(sources: readonly string[], now: number): void {
    for (const [width, source] of sources.entries()) this.#failed(source, 4 ** width, now);
  }

  /** Milliseconds until a guest with these sources may try again; 0: now. */
  waitMs(sources: readonly string[], now: number): number {
    return Math.max(0, ...sources.map((source, width) => this.#waitMs(source, 4 ** width, now)));
  }

  #failed(source: string, share: number, now: number): void {
    const level = this.#level(source, share, now) + 1;
    this.#buckets.delete(source);
    this.#buckets.set(source, { level, at: now });
    const oldest = this.#buckets.keys().next();
    if (this.#buckets.size > this.#limits.failingSources && !oldest.done) this.#buckets.delete(oldest.value);
  }

  #waitMs(source: string, share: number, now: number): number {
    const level = this.#level(source, share, now);
    if (level === 0) this.#buckets.delete(source);
    const over = level - this.#limits.failures * share + 1;
    return over <= 0 ? 0 : Math.ceil((over * this.#limits.failureForgottenMs) / share);
  }

  #level(source: string, share: number, now: number): number {
    const bucket = this.#buckets.get(source);
    if (bucket === undefined) return 0;
    return Math.max(0, bucket.level - ((now - bucket.at) * share) / this.#limits.failureForgottenMs);
  }
}

/**
 * Returns the networks that share limits, from narrow to wide: an IPv4 address; an IPv6 /64, which one host has to
 * itself, and the /56 and /48 around it, which one customer may have.
 */
export function sourcesOf(address: string): readonly string[] {
  const parsed = parseUnmapped(address);
  if (parsed === null) return [address];
  if (parsed.family === 4) return [formatAddress(parsed)];
  return [64, 56, 48].map((length) => `${(parsed.value >> BigInt(128 - length)).toString(16)}/${length}`);
}

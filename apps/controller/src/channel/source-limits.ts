import { parseAddress } from '@sallyport/contract';

/**
 * Counts failed handshakes per source and says when a source has had too many. Each failure is forgotten after a while
 * (a leaky bucket); of too many sources the oldest is forgotten, so memory stays bounded.
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

  failed(source: string, now: number): void {
    const level = this.#level(source, now) + 1;
    this.#buckets.delete(source);
    this.#buckets.set(source, { level, at: now });
    const oldest = this.#buckets.keys().next();
    if (this.#buckets.size > this.#limits.failingSources && !oldest.done) this.#buckets.delete(oldest.value);
  }

  /** Milliseconds until the source may try again; 0: now. */
  waitMs(source: string, now: number): number {
    const level = this.#level(source, now);
    if (level === 0) this.#buckets.delete(source);
    return level <= this.#limits.failures - 1
      ? 0
      : Math.ceil((level - this.#limits.failures + 1) * this.#limits.failureForgottenMs);
  }

  #level(source: string, now: number): number {
    const bucket = this.#buckets.get(source);
    return bucket === undefined ? 0 : Math.max(0, bucket.level - (now - bucket.at) / this.#limits.failureForgottenMs);
  }
}

/** Who counts as one source: an IPv4 address, or an IPv6 /64, which one host has to itself. */
export function sourceOf(address: string): string {
  const parsed = parseAddress(address);
  if (parsed === null || parsed.family === 4) return address;
  return `${(parsed.value >> 64n).toString(16)}::/64`;
}

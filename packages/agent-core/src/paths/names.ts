import { parseEndpoint } from '@sallyport/contract/endpoint';
import { formatAddress, parseAddress } from '@sallyport/ip';

/** Resolves host names of endpoints, because WireGuard accepts only addresses. */
export class Names {
  readonly #known = new Map<string, { addresses: readonly string[]; at: number }>();
  readonly #asked = new Map<string, number>();
  #wanted = new Set<string>();
  /** Needed names without a known address. */
  #missing = new Set<string>();

  /** Sets the names of new items. Only these are looked up. */
  begin(): void {
    this.#missing = new Set();
  }

  /** Returns endpoints with addresses, canonical; none for an unknown name. It requests unknown and outdated names. */
  endpointsOf(endpoint: string, now: number): string[] {
    const parsed = parseEndpoint(endpoint);
    if (parsed === null || parsed.port === null) return [];
    const { host, port } = parsed;
    const literal = withPort(host, port);
    if (literal !== null) return [literal];
    const known = this.#known.get(host);
    if (known === undefined) this.#missing.add(host);
    const asked = this.#asked.get(host) ?? -Infinity;
    if (now - (known?.at ?? -Infinity) >= staleMs && now - asked >= askAgainMs) this.#wanted.add(host);
    return (known?.addresses ?? []).flatMap((address) => withPort(address, port) ?? []).slice(0, perName);
  }

  /** Returns names to look up, without pending ones. */
  takeQuestions(now: number): string[] {
    const overdue = [...this.#missing].filter((host) => now - (this.#asked.get(host) ?? -Infinity) >= askAgainMs);
    const wanted = new Set([...this.#wanted, ...overdue]);
    this.#wanted = new Set();
    for (const host of wanted) this.#asked.set(host, now);
    return [...wanted];
  }

  /** Returns true if the addresses changed. A name that fails to resolve keeps its addresses. */
  resolved(host: string, addresses: readonly string[], now: number): boolean {
    this.#asked.set(host, now);
    if (addresses.length === 0) return false;
    const before = this.#known.get(host)?.addresses ?? [];
    this.#known.set(host, { addresses, at: now });
    this.#missing.delete(host);
    return before.join() !== addresses.join();
  }

  nextDeadline(): number {
    return Math.min(Infinity, ...[...this.#missing].map((host) => (this.#asked.get(host) ?? -Infinity) + askAgainMs));
  }
}

const staleMs = 60_000;
const askAgainMs = 5_000;
/** Maximum number of addresses to try for one name. */
const perName = 3;

function withPort(host: string, port: number): string | null {
  const address = parseAddress(host);
  if (address === null) return null;
  const text = formatAddress(address);
  return address.family === 6 ? `[${text}]:${port}` : `${text}:${port}`;
}

import { parseEndpoint } from '@sallyport/contract';
import { formatAddress, parseAddress } from '@sallyport/ip';

/** Host names of endpoints and the addresses that they have. WireGuard itself takes addresses only. */
export class Names {
  readonly #known = new Map<string, { addresses: readonly string[]; at: number }>();
  readonly #asked = new Map<string, number>();
  #wanted = new Set<string>();
  /** Needed and not known. */
  #missing = new Set<string>();

  /** Sets the names of new items. Only these are looked up. */
  begin(): void {
    this.#missing = new Set();
  }

  /** Endpoints by address, in canonical text; none while the name is not known. Unknown and old names are asked for. */
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

  /** Names to look up, that are not being looked up already. */
  takeQuestions(now: number): string[] {
    const overdue = [...this.#missing].filter((host) => now - (this.#asked.get(host) ?? -Infinity) >= askAgainMs);
    const wanted = new Set([...this.#wanted, ...overdue]);
    this.#wanted = new Set();
    for (const host of wanted) this.#asked.set(host, now);
    return [...wanted];
  }

  /** True: something else than before. A name that fails at present keeps what it had. */
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
/** Of a name with many addresses, so many are tried. */
const perName = 3;

function withPort(host: string, port: number): string | null {
  const address = parseAddress(host);
  if (address === null) return null;
  const text = formatAddress(address);
  return address.family === 6 ? `[${text}]:${port}` : `${text}:${port}`;
}

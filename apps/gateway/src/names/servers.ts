import { parseUnmapped } from '@sallyport/ip';
import type { ResolverAddress } from './upstream.ts';

/** A resolver that is asked for the names of some domains; no domains: for the names that no other one has. */
export interface RoutedResolver extends ResolverAddress {
  readonly domains: readonly string[];
}

/** Returns the resolvers of `resolv.conf`, at most three, as the system's own library takes them. */
export function parseResolvConf(text: string): ResolverAddress[] {
  const found = text.split('\n').flatMap((line) => {
    const [, address] = /^\s*nameserver\s+(\S+)/.exec(line) ?? [];
    return address !== undefined && parseUnmapped(address) !== null ? [{ address, port: 53 }] : [];
  });
  return found.slice(0, 3);
}

/**
 * Returns the resolvers for a name: those of the longest domain that the name is in, else those without domains, else
 * those of the host.
 */
export function resolversFor(
  name: string,
  routed: readonly RoutedResolver[],
  system: readonly ResolverAddress[],
): readonly ResolverAddress[] {
  const longest = Math.max(
    0,
    ...routed.flatMap(({ domains }) => domains.filter((one) => isIn(name, one)).map(lengthOf)),
  );
  const chosen = routed.filter(({ domains }) =>
    longest === 0 ? domains.length === 0 : domains.some((one) => one.length === longest && isIn(name, one)),
  );
  return chosen.length > 0 ? chosen : system;
}

const lengthOf = ({ length }: string): number => length;
const isIn = (name: string, domain: string): boolean => name === domain || name.endsWith(`.${domain}`);

/** Time for which a resolver that failed is asked after the others. */
const restMs = 30_000;
const mostRemembered = 100;

/** Remembers which resolvers failed lately, so that a silent one does not delay each question. */
export class ResolverHealth {
  readonly #now: () => number;
  readonly #failedAt = new Map<string, number>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Returns resolvers in their order, with those at the end that failed lately. */
  sorted(servers: readonly ResolverAddress[]): ResolverAddress[] {
    const [good, bad] = [true, false].map((wanted) => servers.filter((server) => this.#isGood(server) === wanted));
    return [...(good ?? []), ...(bad ?? [])];
  }

  /** Takes note of whether a resolver answered. */
  note(server: ResolverAddress, answered: boolean): void {
    const key = keyOf(server);
    this.#failedAt.delete(key);
    if (answered) return;
    this.#failedAt.set(key, this.#now());
    const [oldest] = this.#failedAt.keys();
    if (this.#failedAt.size > mostRemembered && oldest !== undefined) this.#failedAt.delete(oldest);
  }

  #isGood(server: ResolverAddress): boolean {
    const failedAt = this.#failedAt.get(keyOf(server));
    return failedAt === undefined || Math.abs(this.#now() - failedAt) >= restMs;
  }
}

const keyOf = ({ address, port }: ResolverAddress): string => `${address} ${port}`;

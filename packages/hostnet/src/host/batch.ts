import type { SysctlChange } from './sysctls.ts';

/**
 * The commands that take the host from its found state to the wanted state. If all are empty, there is nothing to do.
 */
export interface HostPlan {
  readonly sysctls: readonly SysctlChange[];
  /** Text for `ip -4 -batch -` and `ip -6 -batch -`. */
  readonly ip4: string;
  readonly ip6: string;
  /** One sentence for each difference from the wanted state that the plan repairs. */
  readonly differences: readonly string[];
  /**
   * One sentence for each prefix that the host's own network also has, in whole or in part. The plan does not touch
   * those.
   */
  readonly conflicts: readonly string[];
  /** One sentence for each reason why the tunnel cannot be up. If there is one, the plan takes the tunnel down. */
  readonly clashes: readonly string[];
}

/** Protocol number of our routes and rules; no routing daemon has registered it. */
export const ROUTE_PROTOCOL = 83;
/** A metric worse than that of any route that an operator sets on purpose. */
export const BLACKHOLE_METRIC = 4_000_000;

/** Collects commands with the differences that they repair. */
export class Batch {
  readonly differences: string[] = [];
  readonly #lines: Record<4 | 6, string[]> = { 4: [], 6: [] };

  add(family: 4 | 6, difference: string, ...lines: string[]): void {
    this.differences.push(`IPv${family}: ${difference}`);
    this.#lines[family].push(...lines);
  }

  plan(sysctls: readonly SysctlChange[], conflicts: readonly string[]): HostPlan {
    const text = (lines: string[]): string => lines.map((line) => `${line}\n`).join('');
    const settings = sysctls.map(({ path, value, before }) => `${path} is ${before}, not ${value}`);
    return {
      sysctls,
      ip4: text(this.#lines[4]),
      ip6: text(this.#lines[6]),
      differences: [...this.differences, ...settings],
      conflicts,
      clashes: [],
    };
  }
}

import type { SysctlChange } from './sysctls.ts';

/** What brings the host from what was found to what is wanted. All empty: nothing to do. */
export interface HostPlan {
  readonly sysctls: readonly SysctlChange[];
  /** Text for `ip -4 -batch -` and `ip -6 -batch -`. */
  readonly ip4: string;
  readonly ip6: string;
  /** One sentence for each thing that is not as wanted, and that the plan mends. */
  readonly differences: readonly string[];
  /** One sentence for each prefix that the host's own network has too, or a part of it. The plan leaves those alone. */
  readonly conflicts: readonly string[];
  /** One sentence for each reason why the tunnel cannot be up. Then the plan takes it down. */
  readonly clashes: readonly string[];
}

/** Marks our routes and rules as ours; a number that no routing daemon has registered. */
export const ROUTE_PROTOCOL = 83;
/** Worse than any route that somebody would set up on purpose. */
export const BLACKHOLE_METRIC = 4_000_000;

/** Collects commands with what they mend. */
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

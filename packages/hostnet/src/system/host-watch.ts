import { Follower } from './follow.ts';
import type { Tool } from './run.ts';

/** A running watch of the host's network. `close` ends it. */
export interface HostWatch {
  close(): Promise<void>;
}

/** Reports within this time after the previous report are joined into one. */
const QUIET_MS = 1000;

/** A program that prints changes, and a filter for its relevant lines. */
export interface ChangeSource {
  readonly tool: Tool;
  readonly args: readonly string[];
  readonly concerns: (line: string) => boolean;
}

/**
 * Calls `report` soon after any program changed something that `verify` checks; the caller then compares the state. Of
 * settings, the kernel reports only forwarding and reverse path filters. `failed` receives errors of a report.
 */
export function watchHost(
  sources: readonly ChangeSource[],
  report: () => void,
  failed: (error: unknown) => void,
): HostWatch {
  const joined = new JoinedReports(report, failed);
  const followers = sources.map(
    ({ tool, args, concerns }) =>
      new Follower({
        ...{ tool, args, failed },
        line: (text) => void (concerns(text) && joined.changed()),
        restarted: () => joined.changed(),
      }),
  );
  return {
    close: async () => {
      joined.close();
      await Promise.all(followers.map((follower) => follower.close()));
    },
  };
}

/** Reports the first of several changes at once, and the others together a little later. */
export class JoinedReports {
  readonly #report: () => void;
  readonly #failed: (error: unknown) => void;
  #quiet: NodeJS.Timeout | null = null;
  #again = false;

  /** `failed` receives errors of late reports; others reach the caller of `changed`. */
  constructor(report: () => void, failed: (error: unknown) => void) {
    this.#report = report;
    this.#failed = failed;
  }

  changed(): void {
    if (this.#quiet !== null) {
      this.#again = true;
      return;
    }
    this.#quiet = setTimeout(() => this.#quietEnded(), QUIET_MS);
    this.#quiet.unref();
    this.#again = false;
    this.#report();
  }

  close(): void {
    if (this.#quiet !== null) clearTimeout(this.#quiet);
  }

  #quietEnded(): void {
    this.#quiet = null;
    try {
      if (this.#again) this.changed();
    } catch (error) {
      this.#failed(error);
    }
  }
}

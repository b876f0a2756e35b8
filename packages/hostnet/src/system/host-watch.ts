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
  let quiet: NodeJS.Timeout | null = null;
  let again = false;
  const changed = (): void => {
    if (quiet) {
      again = true;
      return;
    }
    quiet = setTimeout(() => {
      quiet = null;
      try {
        if (again) changed();
      } catch (error) {
        failed(error);
      }
    }, QUIET_MS);
    quiet.unref();
    again = false;
    report();
  };
  const followers = sources.map(
    ({ tool, args, concerns }) =>
      new Follower({ tool, args, line: (text) => void (concerns(text) && changed()), restarted: changed, failed }),
  );
  return {
    close: async () => {
      if (quiet) clearTimeout(quiet);
      await Promise.all(followers.map((follower) => follower.close()));
    },
  };
}

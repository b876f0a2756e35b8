import { Follower } from './follow.ts';
import type { Tool } from './run.ts';

/** A running watch of the host's network. `close` ends it. */
export interface HostWatch {
  close(): Promise<void>;
}

/** Reports that come sooner after the one before are joined into one. */
const QUIET_MS = 1000;

/** A program that prints changes, and which of its lines matter. */
export interface ChangeSource {
  readonly tool: Tool;
  readonly args: readonly string[];
  readonly concerns: (line: string) => boolean;
}

/**
 * Calls `report` as soon as something changed that `verify` looks at (of settings, the kernel tells of forwarding and reverse path filters only),
 * by whomever: the caller looks whether all is still as wanted. What goes wrong with a report goes to `failed`.
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

import { concernsHost, MONITOR_ARGUMENTS } from '../host/monitor.ts';
import type { HostState } from '../types.ts';
import { Follower } from './follow.ts';

export interface HostWatch {
  close(): Promise<void>;
}

/** Reports that come sooner after the one before are joined into one. */
const QUIET_MS = 1000;

/**
 * Calls `report` as soon as something changed that `Host.verify` looks at (but for sysctls, of which the kernel says
 * nothing), by whomever: the caller looks whether all is still as wanted.
 */
export function watchHost(state: HostState, report: () => void): HostWatch {
  let quiet: NodeJS.Timeout | null = null;
  let again = false;
  const changed = (): void => {
    if (quiet) {
      again = true;
      return;
    }
    quiet = setTimeout(() => {
      quiet = null;
      if (again) changed();
    }, QUIET_MS);
    quiet.unref();
    again = false;
    report();
  };
  const follower = new Follower({
    tool: 'ip',
    args: MONITOR_ARGUMENTS,
    line: (text) => {
      if (concernsHost(state, text)) changed();
    },
    restarted: changed,
  });
  return {
    close: async () => {
      if (quiet) clearTimeout(quiet);
      await follower.close();
    },
  };
}

import type { SysctlChange } from '../host/sysctls.ts';
import type { ClientHostState } from '../types.ts';
import type { KeepSysctls, UpResult } from './host.ts';
import type { HostWatch } from './host-watch.ts';

/**
 * The network of a native device: link, addresses, the routing table and rules of its tunnel, settings, and a small
 * nftables table which sees to it that nothing comes in through the tunnel but answers, and nobody goes through the device.
 * Like `Host`: what is to be undone is known from the state and what `keep` was given, so store both before `up`.
 */
export interface ClientHostApi {
  /** Checks what can be checked without changing anything. Throws `missing-tool`, `no-privilege`, `unsupported-kernel`. */
  preflight(): Promise<void>;
  /** Brings the host to the wanted state; does nothing where it is there already. The interface must exist. */
  up(state: ClientHostState, keep?: KeepSysctls): Promise<UpResult>;
  /** One sentence for each thing that is not as wanted, conflicts with the host's own network among them. */
  verify(state: ClientHostState): Promise<readonly string[]>;
  /** Calls `report` whenever something may have come to differ from the state, from now until it is closed. */
  watch(state: ClientHostState, report: () => void): HostWatch;
  /** Takes everything back and restores the given settings, after a crash too. What is gone already is no error. */
  down(state: ClientHostState, sysctls: readonly SysctlChange[]): Promise<void>;
}

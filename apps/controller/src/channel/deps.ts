import type { IncomingMessage } from 'node:http';
import type { Mapping } from '@sallyport/contract/channel';
import type { SourceReport } from './device-sources.ts';
import type { Holding } from './holding.ts';
import type { ControllerIdentity } from './keys.ts';
import type { ChannelLimits } from './limits.ts';
import type { Log } from './log.ts';
import type { Timers } from './timers.ts';
import type { AgentDirectory, AgentRef, ConnectionGuard, DesiredStates, NameRequests } from './types.ts';

/** Parts of the controller that the channel uses, and its callbacks. */
export interface ChannelDeps {
  readonly directory: AgentDirectory;
  readonly states: DesiredStates;
  readonly identity: ControllerIdentity;
  /** Epoch milliseconds. */
  readonly clock: () => number;
  readonly randomBytes: (count: number) => Uint8Array;
  readonly timers?: Timers;
  /** Length of a tenant's leases, milliseconds. */
  readonly leaseMs: (tenant: string) => number;
  /** Called at once when the source address of a device's tunnel changed. */
  readonly deviceMoved?: (tenant: string, device: string, source: string) => void;
  /** Passes a report about the source of a device on, if another process decides about the device, and says so. */
  readonly sourceElsewhere?: (tenant: string, report: SourceReport) => boolean;
  /** Called when the set of resources that a gateway cannot reach changed; ids, ascending. */
  readonly unreachable?: (tenant: string, gateway: string, resources: readonly string[]) => void;
  /** Returns the set that counts of a gateway, which may come from another process. */
  readonly knownUnreachable?: (gateway: string) => readonly string[];
  /** Serves what gateways ask for names. Left out: no name is given. */
  readonly names?: NameRequests;
  /** Mapping that the beacon sees for an agent. Left out: there is no beacon. */
  readonly mapping?: (agent: string) => Mapping;
  readonly heartbeatMs?: number;
  /** Number of agents that have enrolled, connected or not. Left out: only those that connect count. */
  readonly enrolled?: () => number;
  /** Called when an agent was welcomed that knows the present key of the controller. */
  readonly followed?: (agent: AgentRef) => void;
  readonly graceMs?: number;
  /** Left out: this process is alone with its database, so that it has all agents. */
  readonly holding?: Holding;
  /** Hears of everything that the database holds of a tenant by now. Left out: this process knows it always. */
  readonly catchUp?: (tenant: string) => Promise<void>;
  readonly log: Log;
  /** Returns the source address of a request. The caller decides which proxies to trust. */
  readonly peerAddress: (request: IncomingMessage) => string;
  readonly connections?: ConnectionGuard;
  readonly limits?: Partial<ChannelLimits>;
}

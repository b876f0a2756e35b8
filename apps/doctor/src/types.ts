import type { GatewayAgentStatus } from '@sallyport/contract/local';

/** What runs on this host. */
export type Role = 'controller' | 'gateway' | 'device';

/** Result of a check. `skipped`: it does not concern this host, or cannot be made. */
export type Result = 'ok' | 'warning' | 'problem' | 'skipped';

/** What a check found. */
export interface Finding {
  readonly result: Result;
  /** What was found, and what it means. */
  readonly text: string;
  /** What to do about it; for warnings and problems. */
  readonly advice?: string;
}

/** One check. It reads the host through `probe` alone. */
export interface Check {
  readonly id: string;
  readonly title: string;
  /** Roles that it concerns; left out: all. */
  readonly roles?: readonly Role[];
  /** Also made on a host that has no role yet. */
  readonly beforehand?: true;
  run(probe: Probe, place: Place): Promise<Finding | readonly Finding[]>;
}

/** Where things are on this host, and which roles it has. */
export interface Place {
  readonly roles: readonly Role[];
  readonly dataDir: string;
  readonly gatewayDir: string;
  readonly clientDir: string;
  /** Address of the controller, as typed or found; null: unknown. */
  readonly controller: string | null;
  /** Certificates to trust as well. */
  readonly caFile: string | null;
  readonly tunnel: string;
  /** Settings of a controller on this host. */
  readonly own: OwnSettings;
}

/** Settings of a controller, from its environment file or that of this program. */
export interface OwnSettings {
  readonly certFile: string | null;
  readonly keyFile: string | null;
  readonly publicUrl: string | null;
  /** First UDP port of the beacon; null: it is off. */
  readonly beacon: number | null;
}

/** Answer of a controller. */
export interface ControllerAnswer {
  readonly status: number;
  /** Header `Date`. */
  readonly date: string | null;
  readonly version: string | null;
  /** End of its certificate, epoch milliseconds; null without TLS. */
  readonly certificateEnds: number | null;
}

/** WireGuard of this host. */
export interface WireGuardFound {
  readonly kind: 'kernel' | 'userspace';
  /** Warning about an old build of wireguard-go; null: none. */
  readonly slow: string | null;
}

/** Reads the host. Tests replace it. Nothing in it changes the host, except for a link that `backend` makes and removes. */
export interface Probe {
  readonly isRoot: boolean;
  readonly version: string;
  /** Environment of this program. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  now(): number;
  kernel(): string;
  /** Output of a program; null when there is no such program, or it fails. */
  output(program: string, args: readonly string[]): Promise<string | null>;
  /** Content of a file; null when it cannot be read. */
  text(path: string): Promise<string | null>;
  /** Permissions and owner; null when it is not there. */
  stats(path: string): Promise<{ readonly mode: number; readonly uid: number } | null>;
  /** Free space of the file system that holds a path; null when it is not there. */
  space(path: string): Promise<{ readonly bytes: number; readonly files: number } | null>;
  /** Rejects with a `WireGuardError` with advice. */
  backend(): Promise<WireGuardFound>;
  /** Chains of other programs that drop traffic of the tunnel, with what lets it pass. */
  foreignDrops(tunnel: string): Promise<readonly { readonly text: string; readonly fix: string }[]>;
  addresses(host: string): Promise<readonly string[]>;
  /** Rejects with an error whose `code` says why there is no answer. */
  ask(url: string, caFile: string | null): Promise<ControllerAnswer>;
  /** Process of the agent with that state directory; null: none runs. */
  agent(stateDir: string): Promise<number | null>;
  gatewayStatus(stateDir: string): Promise<GatewayAgentStatus | null>;
  /** Interface of the default route, and its MTU; null: no default route. */
  uplink(): Promise<{ readonly name: string; readonly mtu: number } | null>;
  /** Advice of the daemon of this device about its network; null when it does not answer. */
  netcheck(): Promise<readonly string[] | null>;
}

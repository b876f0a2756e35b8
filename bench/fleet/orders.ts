/** An order to a process of simulated agents. Each one is answered by a report. */
export type FleetOrder =
  | {
      readonly kind: 'connect';
      /** Enrolment tokens of new agents. They connect at once. */
      readonly tokens: readonly string[];
      readonly url: string;
      readonly strict: boolean;
      /** Number of the loopback address of the first of them; the others take the next ones. */
      readonly firstAddress: number;
    }
  /** Count frames, and agents that get a state, from now on. */
  | { readonly kind: 'mark' }
  | { readonly kind: 'report' };

/** What agents of one role received. */
export interface RoleReport {
  readonly agents: number;
  readonly live: number;
  /** Agents that have acknowledged a state on their present connection. */
  readonly acknowledged: number;
  /** Agents that got a state since the last mark, and when the last of them got it, epoch milliseconds. */
  readonly told: number;
  readonly lastToldAt: number;
}

/** What the agents of a process, or of all of them, received. */
export interface FleetReport {
  readonly gateway: RoleReport;
  readonly device: RoleReport;
  /** Frames since the last mark, by type. */
  readonly frames: Readonly<Record<string, number>>;
  /** What the controller did wrong. */
  readonly faults: readonly string[];
}

/** Adds up reports. */
export function together(reports: readonly FleetReport[]): FleetReport {
  const role = (pick: (report: FleetReport) => RoleReport): RoleReport => {
    const all = reports.map(pick);
    const sum = (field: keyof RoleReport) => all.reduce((total, one) => total + one[field], 0);
    return {
      agents: sum('agents'),
      live: sum('live'),
      acknowledged: sum('acknowledged'),
      told: sum('told'),
      lastToldAt: Math.max(0, ...all.map(({ lastToldAt }) => lastToldAt)),
    };
  };
  const frames: Record<string, number> = {};
  for (const one of reports)
    for (const [type, count] of Object.entries(one.frames)) frames[type] = (frames[type] ?? 0) + count;
  return {
    gateway: role(({ gateway }) => gateway),
    device: role(({ device }) => device),
    frames,
    faults: reports.flatMap(({ faults }) => faults),
  };
}

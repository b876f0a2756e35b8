import type { DatabaseServer } from '../db/postgres/open.ts';
import { allReplicas } from '../db/replica-rows.ts';
import { unscoped } from '../db/scoped.ts';
import type { Store } from '../db/store.ts';
import type { Replica, Replicas } from './types.ts';

/** A process that uses the database, or did so within the last day. */
export interface ReplicaView {
  readonly id: string;
  /** Name of its host. */
  readonly name: string;
  readonly version: string;
  /** Whether it is the one that was asked. */
  readonly self: boolean;
  readonly alive: boolean;
  readonly startedAt: string;
  /** When it last reached the database; of one that ended, about. */
  readonly lastContact: string;
  /** Agents that are connected to it. */
  readonly agents: number;
  /** Most revisions that it was behind a tenant when it last looked. */
  readonly behind: number;
  /** Milliseconds by which the clock of the database is ahead of its own. */
  readonly skewMs: number;
}

/** Controllers of the database, as one of them sees them. */
export interface ReplicasView {
  /** Whether several controllers may use the database. */
  readonly shared: boolean;
  /** Time of the database. */
  readonly at: string;
  readonly controllers: readonly ReplicaView[];
  /** Server of the database; null: the embedded database has none. */
  readonly database: DatabaseServer | null;
}

/** What is told of a process without a row: it has the database alone. */
export interface Alone {
  readonly agents: () => number;
  readonly skewMs: () => number;
  readonly server: () => DatabaseServer | null;
}

/** Returns who uses the database: first this process, then the others, those that have ended last. */
export async function viewReplicas(
  { db, now }: Pick<Store, 'db' | 'now'>,
  replicas: Pick<Replicas, 'self' | 'isAlive' | 'lastContact'>,
  { agents, skewMs, server }: Alone,
): Promise<ReplicasView> {
  const { self } = replicas;
  const rows = await allReplicas(unscoped(db, 'the operator sees the controllers of all tenants'));
  const own = rows.find(({ id }) => id === self.id);
  const first = shown(self, { self: true, alive: true, agents: agents(), behind: own?.behind ?? 0, skewMs: skewMs() });
  const others = rows
    .filter(({ id }) => id !== self.id)
    .map((row) => {
      const { id, name, version, started_at: startedAt, seen_at: seenAt, agents, behind } = row;
      const alive = replicas.isAlive(id);
      const figures = { alive, agents: alive ? agents : 0, behind: alive ? behind : 0, skewMs: row.skew_ms };
      return shown({ id, name, version, startedAt, seenAt }, { self: false, ...figures });
    });
  const mine = { ...first, lastContact: time(replicas.lastContact()) };
  const controllers = [mine, ...others.toSorted((a, b) => +b.alive - +a.alive)];
  return { shared: own !== undefined, at: time(now()), controllers, database: server() };
}

const shown = (
  { id, name, version, startedAt, seenAt }: Omit<Replica, 'beacon'>,
  figures: Pick<ReplicaView, 'self' | 'alive' | 'agents' | 'behind' | 'skewMs'>,
): ReplicaView => ({ id, name, version, startedAt: time(startedAt), lastContact: time(seenAt), ...figures });

const time = (ms: number): string => new Date(ms).toISOString();

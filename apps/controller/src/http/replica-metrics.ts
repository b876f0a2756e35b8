import { Counter, Gauge, type Registry } from 'prom-client';

/** Figures of a controller that shares its database. */
export interface ReplicaFigures {
  /** Controllers that live, with this one. */
  readonly alive: number;
  /** Most revisions that this controller was behind a tenant when it last looked. */
  readonly behind: number;
  /** Seconds since the database last answered. */
  readonly silentSeconds: number;
  readonly messages: Readonly<Record<'sent' | 'received' | 'dropped', number>>;
  readonly facts: Readonly<Record<'stored' | 'read', number>>;
}

/** Registers figures that are read at each scrape. */
export function replicaMetrics(registers: Registry[], figures: () => ReplicaFigures): void {
  const gauge = (name: string, help: string, value: (all: ReplicaFigures) => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value(figures()));
      },
    });
  const counter = (name: string, help: string, label: string, values: (all: ReplicaFigures) => object) =>
    new Counter({
      name,
      help,
      labelNames: [label],
      registers,
      collect() {
        this.reset();
        for (const [value, count] of Object.entries(values(figures()))) this.inc({ [label]: value }, count);
      },
    });
  gauge('sallyport_replicas_alive', 'Controllers of the database that live', ({ alive }) => alive);
  gauge(
    'sallyport_replica_behind_revisions',
    'Most revisions behind a tenant, at the last look',
    ({ behind }) => behind,
  );
  gauge('sallyport_database_silent_seconds', 'Time since the database last answered', (all) => all.silentSeconds);
  counter('sallyport_replica_messages_total', 'Messages of and to other controllers', 'way', (all) => all.messages);
  counter('sallyport_replica_facts_total', 'Facts shared with other controllers', 'way', (all) => all.facts);
}

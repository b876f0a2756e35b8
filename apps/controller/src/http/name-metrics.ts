import type { NameFigures } from '@sallyport/contract/channel';
import { Counter, Gauge, type Registry } from 'prom-client';

/** Figures about names, by id of the gateway that reports them. */
export type FiguresOfNames = () => Iterable<readonly [gateway: string, figures: NameFigures]>;

/** Requests of gateways for addresses of new names, by outcome. Those of this process. */
export type NewNameCounters = Readonly<Record<string, number>>;

/** Registers the figures about names of connected gateways and of new names, which are read at each scrape. */
export function nameMetrics(registers: Registry[], figures: FiguresOfNames, newNames: NewNameCounters): void {
  new Counter({
    name: 'sallyport_new_names_total',
    help: 'Requests of gateways for addresses of names under wildcards, by outcome',
    labelNames: ['outcome'],
    registers,
    collect() {
      this.reset();
      for (const [outcome, count] of Object.entries(newNames)) this.inc({ outcome }, count);
    },
  });
  const counter = (name: string, help: string, label: string[], values: (figures: NameFigures) => [string, number][]) =>
    new Counter({
      name,
      help,
      labelNames: ['gateway', ...label],
      registers,
      collect() {
        this.reset();
        for (const [gateway, all] of figures())
          for (const [value, count] of values(all))
            this.inc({ gateway, ...Object.fromEntries(label.map((key) => [key, value])) }, count);
      },
    });
  new Gauge({
    name: 'sallyport_names',
    help: 'Host names that a gateway answers, by whether they resolve',
    labelNames: ['gateway', 'state'],
    registers,
    collect() {
      this.reset();
      for (const [gateway, { resolved, unresolved }] of figures()) {
        this.set({ gateway, state: 'resolved' }, resolved);
        this.set({ gateway, state: 'unresolved' }, unresolved);
      }
    },
  });
  counter('sallyport_name_queries_total', 'Queries of devices, by result', ['result'], ({ queries }) =>
    Object.entries(queries),
  );
  counter('sallyport_name_questions_total', 'Questions to resolvers, by outcome', ['outcome'], ({ asked }) => [
    ['answered', asked.answered],
    ['failed', asked.failed],
  ]);
  counter('sallyport_name_questions_seconds_total', 'Time until resolvers answered or failed', [], ({ asked }) => [
    ['', asked.ms / 1000],
  ]);
}

import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { isOutdated } from '../channel/outdated.ts';
import type { Channel } from '../channel/types.ts';
import type { Connections } from './connections.ts';
import { type NewNameCounters, nameMetrics } from './name-metrics.ts';
import { type FollowedPaths, pathMetrics } from './path-metrics.ts';
import { type ReplicaFigures, replicaMetrics } from './replica-metrics.ts';

/** What the metrics read at each scrape. */
export interface Followed extends FollowedPaths {
  readonly channel: Channel;
  readonly runtimes: { followedAgents(): Iterable<string> };
  readonly streams: { readonly size: number };
  readonly names: { readonly counters: NewNameCounters };
  readonly connections: Pick<Connections, 'open' | 'counters'>;
  readonly upgrades: { readonly open: number; readonly ended: Readonly<Record<string, number>> };
}

/** Figures for Prometheus, in a registry of their own. */
export interface Metrics {
  follow(followed: Followed): void;
  /** Adds figures of a controller that shares its database. */
  followReplicas(figures: () => ReplicaFigures): void;
  request(route: string, method: string, status: number, seconds: number): void;
  /** Records the time of one step of compiling desired states, milliseconds. */
  readonly compiled: (ms: number) => void;
  /** Counts explained decisions. */
  readonly explained: (decisions: number) => void;
  text(): Promise<string>;
  readonly contentType: string;
}

/** Makes the metrics of the controller. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const requests = new Histogram({
    name: 'sallyport_http_request_seconds',
    help: 'Time to answer requests',
    labelNames: ['route', 'method', 'status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
    registers,
  });
  const compile = new Histogram({
    name: 'sallyport_compile_seconds',
    help: 'Time of one step of compiling desired states',
    buckets: [0.0005, 0.001, 0.005, 0.02, 0.1, 0.5, 2],
    registers,
  });
  const slow = new Counter({
    name: 'sallyport_compile_slow_total',
    help: 'Steps of compiling that held the event loop for more than 20 ms',
    registers,
  });
  const explained = new Counter({
    name: 'sallyport_decisions_explained_total',
    help: 'Access decisions explained to somebody',
    registers,
  });
  processGauges(registers);
  return {
    follow: (followed) => {
      agentGauges(registers, followed);
      pathMetrics(registers, followed);
      upgradeMetrics(registers, followed);
      nameMetrics(registers, () => figuresOfNames(followed), followed.names.counters);
    },
    followReplicas: (figures) => replicaMetrics(registers, figures),
    request: (route, method, status, seconds) => requests.observe({ route, method, status }, seconds),
    compiled: (ms) => {
      compile.observe(ms / 1000);
      if (ms > 20) slow.inc();
    },
    explained: (decisions) => explained.inc(decisions),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

function upgradeMetrics(registers: Registry[], { upgrades }: Followed): void {
  new Gauge({
    name: 'sallyport_gateway_upgrades_open',
    help: 'Upgrades of gateways that wait or run',
    registers,
    collect() {
      this.set(upgrades.open);
    },
  });
  new Counter({
    name: 'sallyport_gateway_upgrades_total',
    help: 'Upgrades of gateways that ended, by how',
    labelNames: ['state'],
    registers,
    collect() {
      this.reset();
      for (const [state, count] of Object.entries(upgrades.ended)) this.inc({ state: state.toLowerCase() }, count);
    },
  });
}

/** A gateway that is gone has no figures. Those of another process begin at zero. */
function* figuresOfNames({ channel, runtimes }: Followed) {
  for (const agent of runtimes.followedAgents()) {
    const { connected, names } = channel.presence(agent);
    if (connected && names !== undefined) yield [agent, names] as const;
  }
}

/** Measures every request of the server. */
export function measureRequests(app: FastifyInstance, metrics: Metrics): void {
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'none';
    // The client decides how long a stream lasts.
    if (!isStream(request)) metrics.request(route, request.method, reply.statusCode, reply.elapsedTime / 1000);
    done();
  });
}

const isStream = (request: FastifyRequest): boolean =>
  (request.routeOptions.config as { stream?: boolean }).stream === true;

/** Sampling interval of the event loop, milliseconds. */
const resolution = 20;

function processGauges(registers: Registry[]): void {
  const delay = monitorEventLoopDelay({ resolution });
  delay.enable();
  // The histogram holds the time between two samples.
  const late = (quantile: number) => Math.max(0, delay.percentile(quantile) / 1e9 - resolution / 1000);
  new Gauge({
    name: 'sallyport_event_loop_delay_seconds',
    help: 'Delay of the event loop since the last scrape',
    labelNames: ['quantile'],
    registers,
    collect() {
      for (const quantile of [50, 99, 100]) this.set({ quantile: String(quantile / 100) }, late(quantile));
      delay.reset();
    },
  });
  new Gauge({
    name: 'process_resident_memory_bytes',
    help: 'Resident memory',
    registers,
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
  new Gauge({
    name: 'process_cpu_seconds_total',
    help: 'CPU time of the process',
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.set((user + system) / 1e6);
    },
  });
}

function agentGauges(registers: Registry[], { channel, runtimes, streams, connections }: Followed): void {
  const presences = () => [...runtimes.followedAgents()].map((agent) => channel.presence(agent));
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value());
      },
    });
  gauge(
    'sallyport_agents_connected',
    'Agents connected',
    () => presences().filter(({ connected }) => connected).length,
  );
  gauge(
    'sallyport_agents_behind',
    'Connected agents whose applied state is not the desired one',
    () => presences().filter(({ connected, converged }) => connected && !converged).length,
  );
  gauge(
    'sallyport_agents_failing',
    'Connected agents that report an error',
    () => presences().filter(({ connected, error }) => connected && error !== null).length,
  );
  gauge(
    'sallyport_agents_outdated',
    'Connected agents whose version is older than the controller',
    () =>
      presences().filter(({ connected, agent }) => connected && agent !== undefined && isOutdated(agent.version))
        .length,
  );
  gauge('sallyport_streams_open', 'Streams that are being answered', () => streams.size);
  gauge('sallyport_connections_open', 'Connections of the listener', () => connections.open);
  const { counters } = connections;
  gauge(
    'sallyport_connections_refused',
    'Connections and requests refused because of their number',
    () => counters.refused,
  );
  gauge('sallyport_connections_evicted', 'Connections ended to make room for others', () => counters.evicted);
}

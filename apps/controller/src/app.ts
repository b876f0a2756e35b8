import type { OperationName } from '@sallyport/contract';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { Beacon, type BeaconSettings } from './beacon/beacon.ts';
import type { Mapping } from './beacon/mappings.ts';
import { defaultWriteRate, WriteBudget, type WriteRate } from './budgets/write-budget.ts';
import { guardedTimers, systemTimers, type Timers } from './channel/timers.ts';
import type { AgentDirectory, Channel, ConnectionGuard, DesiredStates } from './channel/types.ts';
import type { Countries } from './countries.ts';
import type { Store } from './db/store.ts';
import type { EgressSettings } from './egress/targets.ts';
import { accessRoutes } from './features/access/routes.ts';
import { admissionRuleRoutes } from './features/admission-rules/routes.ts';
import { ApiKeyAuthenticator } from './features/api-keys/authenticator.ts';
import { apiKeyRoutes } from './features/api-keys/routes.ts';
import { dropOldEvents } from './features/audit/retention.ts';
import { auditRoutes } from './features/audit/routes.ts';
import { ChangeFeed } from './features/changes/feed.ts';
import { changeRoutes } from './features/changes/routes.ts';
import { createDeviceDirectory } from './features/devices/directory.ts';
import { deviceRoutes } from './features/devices/routes.ts';
import { enrolmentKeyRoutes } from './features/enrolment-keys/routes.ts';
import { createGatewayDirectory } from './features/gateways/directory.ts';
import { GatewayLists } from './features/gateways/list.ts';
import { gatewayRoutes } from './features/gateways/routes.ts';
import { groupRoutes } from './features/groups/routes.ts';
import { policyRoutes } from './features/policies/routes.ts';
import { protocolRoutes } from './features/protocols/routes.ts';
import { addressRoutes } from './features/resources/address-routes.ts';
import { resourceRoutes } from './features/resources/routes.ts';
import { roleRoutes } from './features/roles/routes.ts';
import { tenantSettingsRoutes } from './features/tenant-settings/routes.ts';
import { userRoutes } from './features/users/routes.ts';
import { type ConnectionLimits, connectionLimits } from './http/connection-limits.ts';
import { Connections, installConnections } from './http/connections.ts';
import { descriptorLimit } from './http/descriptors.ts';
import { installDocs } from './http/docs.ts';
import type { Handlers } from './http/handlers.ts';
import { installHealth } from './http/health.ts';
import { forgetOldAnswers } from './http/idempotency.ts';
import { type Metrics, measureRequests } from './http/metrics.ts';
import { OpenSockets, stopGraceMs } from './http/open-sockets.ts';
import { openApiDocument } from './http/openapi.ts';
import { registerOperations } from './http/operations.ts';
import { createServer, type ServerOptions } from './http/server.ts';
import { proxyTest, sourceAddress } from './http/source-address.ts';
import { OpenStreams, type StreamLimits, streamLimits } from './http/streams.ts';
import { createDeviceQueries } from './objects/devices/queries.ts';
import { createGatewayQueries } from './objects/gateways/queries.ts';
import { readToken } from './objects/gateways/token.ts';
import { createPeopleQueries } from './objects/people/queries.ts';
import { createResourceQueries } from './objects/resources/queries.ts';
import { Paths } from './paths/paths.ts';
import { TenantRuntimes } from './runtime/runtimes.ts';
import { Whereabouts } from './runtime/whereabouts.ts';
import type { SecretBox } from './secrets/box.ts';
import type { ControllerIdentity } from './secrets/identity.ts';

/** What the agent channel is built on. */
export interface ChannelParts {
  readonly directory: AgentDirectory;
  readonly states: DesiredStates;
  readonly leaseMs: (tenant: string) => number;
  readonly deviceMoved: (tenant: string, device: string, source: string) => void;
  readonly unreachable: (tenant: string, gateway: string, resources: readonly string[]) => void;
  readonly connections: ConnectionGuard;
  readonly mapping: (agent: string) => Mapping;
}

export interface AppDeps<C extends Channel = Channel> {
  readonly log: FastifyBaseLogger;
  readonly store: Store;
  readonly box: SecretBox;
  readonly identity: ControllerIdentity;
  readonly openChannel: (parts: ChannelParts) => C;
  /** Host by which others reach this machine, or null. */
  readonly publicHost: () => Promise<string | null>;
  /** Address at which others reach the controller, as the operator names it. */
  readonly publicUrl?: string | null;
  readonly beacon: BeaconSettings;
  readonly metrics: Metrics;
  /** Where the controller may call on behalf of tenants. */
  readonly egress: EgressSettings;
  readonly version: string;
  readonly countries: Countries;
  /** For what happens by time alone; the system's when left out. */
  readonly timers?: Timers;
  /** Path before every operation of the API, empty or like `/qa`. */
  readonly basePath: string;
  readonly trustedProxies: ServerOptions['trustedProxies'];
  readonly tls: ServerOptions['tls'];
  /** Left out: the default. */
  readonly writeRate?: WriteRate;
  /** Left out: those that the system's limit of open files gives. */
  readonly connectionLimits?: ConnectionLimits;
  /** Left out: those for use. */
  readonly streamLimits?: StreamLimits;
}

export interface App<C extends Channel = Channel> {
  readonly server: FastifyInstance;
  readonly channel: C;
  readonly runtimes: TenantRuntimes;
  /** Answers nobody before it is told to listen. */
  readonly beacon: Beacon;
  /** Writes what is kept in memory, drops what nobody needs. To be called now and then. */
  maintain(): Promise<void>;
  /**
   * Ends the channel and the requests under way, those of slow clients after a second, then writes what is kept in
   * memory. The store stays open.
   */
  stop(): Promise<void>;
}

/** The whole controller but for listening, signals and the database file. */
export function createApp<C extends Channel>(given: AppDeps<C>): App<C> {
  const { log } = given;
  const timers = guardedTimers(given.timers ?? systemTimers, (err) => log.error({ err }, 'a timer failed'));
  const deps = { ...given, timers };
  const { store, box, basePath, metrics } = deps;
  let stopping = false;
  const connections = new Connections({
    limits: deps.connectionLimits ?? connectionLimits(descriptorLimit()),
    log: deps.log,
    isProxy: proxyTest(deps.trustedProxies),
    sourceAddress: sourceAddress(deps.trustedProxies),
    clock: store.now,
  });
  const whereabouts = new Whereabouts(deps.countries);
  const runtimes = new TenantRuntimes({
    ...deps,
    whereabouts,
    epoch: deps.identity.epoch,
    took: metrics.compiled,
    beacons: () => beacon.peers(),
  });
  const { ports, probe } = deps.beacon.keys;
  const reservedKeys = new Set([...ports, probe].map(({ publicKey }) => publicKey));
  const { book: gatewayBook, ...ofGateways } = createGatewayDirectory({
    ...deps,
    reservedKeys,
    onLastOnline: (tenant, moments) => lists.lastOnline(tenant, moments),
  });
  const { book: deviceBook, ...ofDevices } = createDeviceDirectory({ ...deps, reservedKeys });
  const directory = { agents: { gateway: gatewayBook, device: deviceBook }, ...ofGateways, ...ofDevices };
  const channel = deps.openChannel({
    directory,
    states: runtimes,
    leaseMs: (tenant) => runtimes.leaseMs(tenant),
    deviceMoved: (tenant, device, source) => runtimes.deviceMoved(tenant, device, source),
    unreachable: (tenant, gateway, resources) => runtimes.unreachable(tenant, gateway, resources),
    connections,
    mapping: (agent) => beacon.mapping(agent),
  });
  const connected = (agent: string) => channel.presence(agent).connected;
  const deviceMapped = runtimes.deviceMapped.bind(runtimes);
  const mapped = (agent: string): void => {
    paths.mapped(agent).catch((error) => log.warn({ err: error, agent }, 'could not tell where an agent is seen'));
  };
  const beacon = new Beacon({ ...deps.beacon, store, directory, deviceMapped, mapped, connected, log, timers });
  const mapping = (agent: string) => beacon.mapping(agent);
  const paths = new Paths({ store, channel, states: runtimes, worlds: runtimes, mapping, log });
  const authenticator = new ApiKeyAuthenticator(store);
  const queries = createGatewayQueries(store, box, channel, runtimes);
  const lists = new GatewayLists(store, channel, (row) => readToken(box, row));
  const resources = createResourceQueries(queries);
  const devices = createDeviceQueries({ now: store.now, channel, whereabouts });
  const users = createPeopleQueries({ now: store.now, devices });
  const handlers: Handlers<OperationName> = {
    ...gatewayRoutes({ ...deps, channel, queries, lists }),
    ...apiKeyRoutes({ store, lastUsed: (id) => authenticator.lastUsed(id) }),
    ...protocolRoutes({ store }),
    ...resourceRoutes({ store, gateways: queries, resources }),
    ...addressRoutes({ store, resources }),
    ...deviceRoutes({ ...deps, gateways: queries, devices, worlds: runtimes, reservedKeys }),
    ...enrolmentKeyRoutes(deps),
    ...policyRoutes({ store, gateways: queries, devices }),
    ...userRoutes({ store, users }),
    ...groupRoutes({ store }),
    ...roleRoutes({ store, users }),
    ...admissionRuleRoutes({ store }),
    ...accessRoutes({
      store,
      channel,
      worlds: runtimes,
      states: runtimes,
      gateways: queries,
      explained: metrics.explained,
    }),
    ...auditRoutes({ store }),
    ...changeRoutes({ feed: new ChangeFeed(store) }),
    ...tenantSettingsRoutes({
      store,
      countries: () => deps.countries.known,
      publicUrl: deps.publicUrl ?? null,
    }),
  };

  const server = createServer(deps);
  const sockets = new OpenSockets(server.server);
  installConnections(server, connections);
  const streams = new OpenStreams();
  metrics.follow({ channel, connections, runtimes, streams, beacon, paths });
  measureRequests(server, metrics);
  installHealth(server, { store, stopping: () => stopping });
  installDocs(server, () => openApiDocument(basePath, deps.version));
  const preview = runtimes.preview.bind(runtimes);
  const known = connections.known.bind(connections);
  const writes = new WriteBudget(deps.writeRate ?? defaultWriteRate, store.now);
  const spendWrite = writes.spend.bind(writes);
  const operationDeps = { streamLimits, ...deps, authenticator, preview, streams, known, spendWrite };
  registerOperations(server, basePath, operationDeps, handlers);

  return {
    server,
    channel,
    runtimes,
    beacon,
    maintain: async () => {
      beacon.forgetSilent();
      await paths.sweep();
      await authenticator.flush();
      await forgetOldAnswers(store);
      await dropOldEvents(store);
      runtimes.dropIdle(store.now() - idleMs);
    },
    stop: async () => {
      stopping = true;
      paths.stop();
      sockets.cutAfter(stopGraceMs);
      await Promise.all([beacon.stop(), channel.stop(), server.close()]);
      runtimes.stop();
      // Moments of use are worth no failed stop: the disk may be full.
      await authenticator.flush().catch((error) => log.warn({ err: error }, 'could not note when keys were used'));
    },
  };
}

/** How long a tenant's compiled state is kept for nobody. */
const idleMs = 10 * 60 * 1000;

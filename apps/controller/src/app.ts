import { releaseFolder } from '@sallyport/program/place';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { type AgentDeps, createAgents } from './agents.ts';
import type { Beacon } from './beacon/beacon.ts';
import { defaultQuotas, type QuotaLimits } from './budgets/quotas.ts';
import { SharedSpending } from './budgets/shared-spending.ts';
import { defaultWriteRate, WriteBudget, type WriteRate } from './budgets/write-budget.ts';
import { guardedTimers, systemTimers, type Timers } from './channel/timers.ts';
import type { Channel, LocalAgents } from './channel/types.ts';
import { forgetOldMarks } from './db/commit-marks.ts';
import { forgetDeletedAgents } from './db/deleted-agents.ts';
import { asOnlyRunner } from './db/jobs.ts';
import type { EgressSettings } from './egress/targets.ts';
import { ApiKeyAuthenticator } from './features/api-keys/authenticator.ts';
import { composeFeatures } from './features/compose.ts';
import { GatewayUpgrades } from './features/gateways/upgrades/upgrades.ts';
import type { AuthDeps } from './http/auth.ts';
import { type ConnectionLimits, connectionLimits } from './http/connection-limits.ts';
import { Connections, installConnections } from './http/connections.ts';
import { consoleFolder, installConsole } from './http/console.ts';
import { descriptorLimit } from './http/descriptors.ts';
import { installDocs } from './http/docs.ts';
import { installHealth } from './http/health.ts';
import { forgetOldAnswers } from './http/idempotency.ts';
import { installLogout } from './http/logout.ts';
import { type Metrics, measureRequests } from './http/metrics.ts';
import { OpenSockets, stopGraceMs } from './http/open-sockets.ts';
import { openApiDocument } from './http/openapi.ts';
import { type OperationDeps, registerOperations } from './http/operations.ts';
import type { ReleaseFolder } from './http/packages/archives.ts';
import { installOffer } from './http/packages/offer.ts';
import { installPackages } from './http/packages/routes.ts';
import { createServer, type ServerOptions } from './http/server.ts';
import { proxyTest, sourceAddress } from './http/source-address.ts';
import { OpenStreams, type StreamLimits, streamLimits } from './http/streams.ts';
import { createMail } from './mail/mail.ts';
import type { Mail, MailService } from './mail/types.ts';
import { ageMails } from './objects/mail/retention.ts';
import { createObjectQueries } from './objects/queries.ts';
import { ageSignIn } from './objects/sign-in/ageing.ts';
import { createSignIn, type SignInDeps } from './objects/sign-in/deps.ts';
import { ageForgotten } from './objects/sign-in/forgotten.ts';
import { originOf } from './objects/sign-in/place.ts';
import { logoutByProvider } from './objects/sign-in/provider-logout.ts';
import { Sessions } from './objects/sign-in/sessions.ts';
import { forgetUnusedNames } from './overlay/asked-names.ts';
import { alone } from './replicas/alone.ts';
import type { Replicas } from './replicas/types.ts';
import type { TenantRuntimes } from './runtime/runtimes.ts';

/** What the controller is built from. */
export interface AppDeps<C extends Channel & LocalAgents = Channel & LocalAgents>
  extends Omit<
    AgentDeps<C>,
    'metrics' | 'timers' | 'connections' | 'onLastOnline' | 'quotas' | 'replicas' | 'spending'
  > {
  readonly log: FastifyBaseLogger;
  readonly metrics: Metrics;
  /** Address at which others reach the controller, as the operator names it. */
  readonly publicUrl?: string | null;
  /** Address at which this machine reaches the controller; known once it listens. */
  readonly localUrl: () => string;
  /** Where the controller may call on behalf of tenants. */
  readonly egress: EgressSettings;
  readonly version: string;
  /** Left out: this process is alone with its database. */
  readonly replicas?: Replicas;
  /** For what happens by time alone; the system's when left out. */
  readonly timers?: Timers;
  /** Path before every operation of the API, empty or like `/qa`. */
  readonly basePath: string;
  readonly trustedProxies: ServerOptions['trustedProxies'];
  readonly tls: ServerOptions['tls'];
  /** Mail server of the operator. Left out: the controller sends no mail. */
  readonly mail?: MailService | null;
  /** Folder with the built console. Left out: that of this checkout. */
  readonly consoleFolder?: string;
  /** Where the archives for gateways and devices are. Left out: the place for use. */
  readonly packages?: Omit<ReleaseFolder, 'version'>;
  /** Left out: the default. */
  readonly writeRate?: WriteRate;
  /** Left out: the defaults. */
  readonly quotas?: QuotaLimits;
  /** Left out: those that the system's limit of open files gives. */
  readonly connectionLimits?: ConnectionLimits;
  /** Left out: those for use. */
  readonly streamLimits?: StreamLimits;
}

/** The controller as it runs. */
export interface App<C extends Channel & LocalAgents = Channel & LocalAgents> {
  readonly server: FastifyInstance;
  readonly channel: C;
  /** The agents of all replicas. */
  readonly agents: Channel;
  readonly runtimes: TenantRuntimes;
  /** Answers no agent before `listen` is called. */
  readonly beacon: Beacon;
  readonly mail: Mail;
  /** Writes data that is kept in memory and drops what is no longer needed. Call it regularly. */
  maintain(): Promise<void>;
  /**
   * Ends the channel and the requests under way, those of slow clients after a second, then writes what is kept in
   * memory. The store stays open.
   */
  stop(): Promise<void>;
}

/** Builds the whole controller except for listening, signals and the database file. */
export function createApp<C extends Channel & LocalAgents>(deps: AppDeps<C>): App<C> {
  const { log, store, metrics } = deps;
  const connections = createConnections(deps);
  const replicas = deps.replicas ?? alone(deps.version, store.now);
  const timers = guardedTimers(deps.timers ?? systemTimers, (err) => log.error({ err }, 'a timer failed'));
  const spending = new SharedSpending({ replicas, timers, now: store.now });
  const agents = createAgents({
    ...deps,
    quotas: deps.quotas ?? defaultQuotas,
    replicas,
    spending,
    timers,
    connections,
    onLastOnline: (tenant, moments) => objects.gatewayLists.lastOnline(tenant, moments),
  });
  const { channel, local, runtimes, beacon, paths, names } = agents;
  const objects = createObjectQueries({ ...agents, ...deps, states: runtimes });
  const authenticator = new ApiKeyAuthenticator(store);
  const sessions = new Sessions(store);
  const signInUrl = () => deps.publicUrl ?? deps.localUrl();
  const mail = createMail({ ...deps, replicas, timers, signInUrl, service: deps.mail ?? null });
  const signIn = createSignIn({ ...deps, signInUrl, mail });
  const offer = installOffer(releaseOf(deps), signInUrl);
  const upgrades = new GatewayUpgrades({ ...deps, channel, offer });
  const features = composeFeatures({
    ...deps,
    ...agents,
    ...objects,
    ...signIn,
    beacon: deps.beacon,
    replicas,
    spending,
    timers,
    states: runtimes,
    worlds: runtimes,
    publicUrl: deps.publicUrl ?? null,
    installOffer: offer,
    upgrades,
    keyLastUsed: (id) => authenticator.lastUsed(id),
    explained: metrics.explained,
  });
  const streams = new OpenStreams();
  metrics.follow({ channel: local, connections, runtimes, streams, beacon, paths, names, upgrades });
  const api = createApi(
    deps,
    connections,
    () => originOf(signIn.signInUrl()),
    (server) => {
      const auth = authOf(signIn, authenticator, sessions);
      const served = operationDeps(deps, { auth, runtimes, streams, connections, spending });
      registerOperations(server, deps.basePath, served, features.handlers);
      installLogout(server, deps.basePath, (provider, token) => logoutByProvider(signIn, provider, token));
    },
  );
  return {
    server: api.server,
    channel: local,
    agents: channel,
    runtimes,
    beacon,
    mail,
    maintain: async () => {
      beacon.forgetSilent();
      await paths.sweep();
      await upgrades.sweep();
      await authenticator.flush();
      await sessions.flush();
      await asOnlyRunner(store, 'upkeep', async (still) => {
        await forgetUnusedNames(store);
        await forgetOldMarks(store, store.now());
        if (!replicas.alone) await forgetDeletedAgents(store);
        await forgetOldAnswers(store);
        await ageMails(store);
        await ageForgotten(store);
        await ageSignIn(store);
        await features.maintain(still);
      });
      runtimes.dropIdle(store.now() - idleMs);
    },
    stop: async () => {
      api.sayStopping();
      if (replicas.others().length > 0) await local.handOver();
      api.beginStop();
      paths.stop();
      await upgrades.stop();
      await Promise.all([mail.stop(), beacon.stop(), local.stop(), api.server.close()]);
      if (channel !== local) await channel.stop();
      runtimes.stop();
      // Moments of use are worth no failed stop: the disk may be full.
      await authenticator.flush().catch((error) => log.warn({ err: error }, 'could not note when keys were used'));
      await sessions.flush().catch((error) => log.warn({ err: error }, 'could not note when sessions were used'));
    },
  };
}

/** How long an unused tenant's compiled state is kept. */
const idleMs = 10 * 60 * 1000;

const authOf = ({ store, signInUrl }: SignInDeps, keys: ApiKeyAuthenticator, sessions: Sessions): AuthDeps => ({
  keys,
  sessions,
  now: store.now,
  origin: () => originOf(signInUrl()),
});

function createConnections(deps: Pick<AppDeps, 'log' | 'store' | 'trustedProxies' | 'connectionLimits'>): Connections {
  return new Connections({
    limits: deps.connectionLimits ?? connectionLimits(descriptorLimit()),
    log: deps.log,
    isProxy: proxyTest(deps.trustedProxies),
    sourceAddress: sourceAddress(deps.trustedProxies),
    clock: deps.store.now,
  });
}

function operationDeps(
  deps: Pick<AppDeps, 'store' | 'box' | 'writeRate' | 'streamLimits'>,
  {
    auth,
    runtimes,
    streams,
    connections,
    spending,
  }: {
    readonly auth: AuthDeps;
    readonly runtimes: TenantRuntimes;
    readonly streams: OpenStreams;
    readonly connections: Connections;
    readonly spending: SharedSpending;
  },
): OperationDeps {
  const writes = new WriteBudget(deps.writeRate ?? defaultWriteRate, deps.store.now, spending);
  return {
    streamLimits,
    ...deps,
    auth,
    streams,
    preview: (tx, changes) => runtimes.preview(tx, changes),
    known: (socket) => connections.known(socket),
    spendWrite: (tenant, bytes, count) => writes.spend(tenant, bytes, count),
  };
}

const releaseOf = ({ packages, version }: Pick<AppDeps, 'packages' | 'version'>): ReleaseFolder => ({
  ...(packages ?? { folder: releaseFolder, keyFile: null }),
  version,
});

/** The HTTP server: its guards, figures, health and documents, and what `register` adds. */
function createApi(
  deps: AppDeps,
  connections: Connections,
  origin: () => string | null,
  register: (server: FastifyInstance) => void,
) {
  let stopping = false;
  const server = createServer(deps);
  const sockets = new OpenSockets(server.server);
  installConnections(server, connections);
  measureRequests(server, deps.metrics);
  installHealth(server, { store: deps.store, stopping: () => stopping });
  installDocs(server, () => openApiDocument(deps.basePath, deps.version));
  installPackages(server, { release: releaseOf(deps), url: () => deps.publicUrl ?? deps.localUrl() });
  installConsole(server, { folder: deps.consoleFolder ?? consoleFolder, origin });
  register(server);
  return {
    server,
    /** From now on the health check says so, so that new connections go elsewhere. */
    sayStopping: () => {
      stopping = true;
    },
    /** Sockets that stay open are cut after a grace. */
    beginStop: () => {
      sockets.cutAfter(stopGraceMs);
    },
  };
}

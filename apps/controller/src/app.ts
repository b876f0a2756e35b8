import type { OperationName } from '@sallyport/contract';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import type { Channel, DesiredStates, GatewayDirectory } from './channel/types.ts';
import type { Store } from './db/store.ts';
import { addressRoutes } from './features/addresses/routes.ts';
import { admissionRuleRoutes } from './features/admission-rules/routes.ts';
import { ApiKeyAuthenticator } from './features/api-keys/authenticator.ts';
import { apiKeyRoutes } from './features/api-keys/routes.ts';
import { createDeviceQueries } from './features/devices/queries.ts';
import { deviceRoutes } from './features/devices/routes.ts';
import { createGatewayDirectory } from './features/gateways/directory.ts';
import { GatewayLists } from './features/gateways/list.ts';
import { createGatewayQueries } from './features/gateways/queries.ts';
import { gatewayRoutes } from './features/gateways/routes.ts';
import { readToken } from './features/gateways/token.ts';
import { createPolicyQueries } from './features/policies/queries.ts';
import { policyRoutes } from './features/policies/routes.ts';
import { protocolRoutes } from './features/protocols/routes.ts';
import { createResourceQueries } from './features/resources/queries.ts';
import { resourceRoutes } from './features/resources/routes.ts';
import { installDocs } from './http/docs.ts';
import type { Handlers } from './http/handlers.ts';
import { installHealth } from './http/health.ts';
import { forgetOldAnswers } from './http/idempotency.ts';
import { installMetrics, type Metrics } from './http/metrics.ts';
import { openApiDocument } from './http/openapi.ts';
import { allowedMethods, registerOperations } from './http/operations.ts';
import { createServer, type ServerOptions } from './http/server.ts';
import { TenantRuntimes } from './runtime/runtimes.ts';
import type { SecretBox } from './secrets/box.ts';
import type { ControllerIdentity } from './secrets/identity.ts';

/** What the agent channel is built on. */
export interface ChannelParts {
  readonly directory: GatewayDirectory;
  readonly states: DesiredStates;
  readonly leaseMs: (tenant: string) => number;
}

export interface AppDeps<C extends Channel = Channel> {
  readonly log: FastifyBaseLogger;
  readonly store: Store;
  readonly box: SecretBox;
  readonly identity: ControllerIdentity;
  readonly openChannel: (parts: ChannelParts) => C;
  /** Host by which others reach this machine, or null. */
  readonly publicHost: () => Promise<string | null>;
  readonly metrics: Metrics;
  readonly version: string;
  /** Path before every operation of the API, empty or like `/qa`. */
  readonly basePath: string;
  readonly trustedProxies: ServerOptions['trustedProxies'];
  readonly tls: ServerOptions['tls'];
}

export interface App<C extends Channel = Channel> {
  readonly server: FastifyInstance;
  readonly channel: C;
  readonly runtimes: TenantRuntimes;
  /** Writes what is kept in memory, drops what nobody needs. To be called now and then. */
  maintain(): Promise<void>;
  /** Ends the channel, then the requests under way, then writes what is kept in memory. The store stays open. */
  stop(): Promise<void>;
}

/** The whole controller but for listening, signals and the database file. */
export function createApp<C extends Channel>(deps: AppDeps<C>): App<C> {
  const { store, box, basePath, metrics } = deps;
  let stopping = false;
  const runtimes = new TenantRuntimes({ ...deps, epoch: deps.identity.epoch, took: metrics.compiled });
  const directory = createGatewayDirectory({
    ...deps,
    onLastOnline: (tenant, moments) => lists.lastOnline(tenant, moments),
  });
  const channel = deps.openChannel({ directory, states: runtimes, leaseMs: (tenant) => runtimes.leaseMs(tenant) });
  const authenticator = new ApiKeyAuthenticator(store);
  const queries = createGatewayQueries(store, box, channel, runtimes);
  const lists = new GatewayLists(store, channel, (row) => readToken(box, row));
  const resources = createResourceQueries(queries);
  const devices = createDeviceQueries({ now: store.now, channel });
  const policies = createPolicyQueries({ devices, gateways: queries });
  const handlers: Handlers<OperationName> = {
    ...gatewayRoutes({ ...deps, channel, queries, lists }),
    ...apiKeyRoutes({ store, lastUsed: (id) => authenticator.lastUsed(id) }),
    ...protocolRoutes({ store }),
    ...resourceRoutes({ store, gateways: queries, resources }),
    ...addressRoutes({ store, resources }),
    ...deviceRoutes({ store, gateways: queries, devices, worlds: runtimes }),
    ...policyRoutes({ store, gateways: queries, devices, policies }),
    ...admissionRuleRoutes({ store }),
  };

  const server = createServer({ ...deps, allowedMethods: allowedMethods(basePath) });
  metrics.follow({ channel, runtimes });
  installMetrics(server, metrics);
  installHealth(server, { store, stopping: () => stopping });
  installDocs(server, () => openApiDocument(basePath, deps.version));
  const preview = runtimes.preview.bind(runtimes);
  registerOperations(server, basePath, { store, box, authenticator, preview }, handlers);

  return {
    server,
    channel,
    runtimes,
    maintain: async () => {
      await authenticator.flush();
      await forgetOldAnswers(store);
      runtimes.dropIdle(store.now() - idleMs);
    },
    stop: async () => {
      stopping = true;
      await channel.stop();
      await server.close();
      await authenticator.flush();
    },
  };
}

/** How long a tenant's compiled state is kept for nobody. */
const idleMs = 10 * 60 * 1000;

import type { OperationName } from '@sallyport/contract';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import type { Channel } from './channel/types.ts';
import type { Store } from './db/store.ts';
import { ApiKeyAuthenticator } from './features/api-keys/authenticator.ts';
import { apiKeyRoutes } from './features/api-keys/routes.ts';
import { GatewayLists } from './features/gateways/list.ts';
import { createGatewayQueries } from './features/gateways/queries.ts';
import { gatewayRoutes } from './features/gateways/routes.ts';
import { readToken } from './features/gateways/token.ts';
import type { Handlers } from './http/handlers.ts';
import { allowedMethods, type OperationDeps, registerOperations } from './http/operations.ts';
import { createServer, type ServerOptions } from './http/server.ts';
import type { SecretBox } from './secrets/box.ts';
import type { ControllerIdentity } from './secrets/identity.ts';

export interface AppDeps {
  readonly log: FastifyBaseLogger;
  readonly store: Store;
  readonly box: SecretBox;
  readonly identity: ControllerIdentity;
  readonly channel: Channel;
  readonly preview: OperationDeps['preview'];
  /** Path before every operation of the API, empty or like `/qa`. */
  readonly basePath: string;
  readonly trustedProxies: ServerOptions['trustedProxies'];
  readonly tls: ServerOptions['tls'];
}

export interface App {
  readonly server: FastifyInstance;
  /** Writes what is kept in memory and written behind. */
  flush(): Promise<void>;
}

/** The HTTP side of the controller, whole but for listening. */
export function createApp(deps: AppDeps): App {
  const { store, box, channel, basePath } = deps;
  const authenticator = new ApiKeyAuthenticator(store);
  const queries = createGatewayQueries(store, box, channel);
  const lists = new GatewayLists(store, channel, (row) => readToken(box, row));
  const handlers: Partial<Handlers<OperationName>> = {
    ...gatewayRoutes({ ...deps, queries, lists }),
    ...apiKeyRoutes({ store, lastUsed: (id) => authenticator.lastUsed(id) }),
  };
  const server = createServer({ ...deps, allowedMethods: allowedMethods(basePath) });
  registerOperations(server, basePath, { ...deps, authenticator }, handlers);
  return { server, flush: () => authenticator.flush() };
}

import type { FastifyInstance } from 'fastify';
import { sql } from 'kysely';
import { unscoped } from '../db/scoped.ts';
import type { Store } from '../db/store.ts';
import { ApiError } from '../errors.ts';

export interface HealthDeps {
  readonly store: Store;
  /** True once a stop has begun. */
  readonly stopping: () => boolean;
}

/** `/healthz`: the process lives. `/readyz`: it can serve, that is, its database answers and it is not stopping. */
export function installHealth(app: FastifyInstance, { store, stopping }: HealthDeps): void {
  app.get('/healthz', async () => ({ status: 'ok' }));
  app.get('/readyz', async (request) => {
    if (stopping()) throw new ApiError('unavailable', 'The controller is stopping');
    try {
      await sql`select 1`.execute(unscoped(store.db, 'touches no table'));
    } catch (error) {
      request.log.error({ err: error }, 'the database does not answer');
      throw new ApiError('unavailable', 'The database does not answer');
    }
    return { status: 'ready' };
  });
}

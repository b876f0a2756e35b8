import type { FastifyInstance } from 'fastify';
import { sql } from 'kysely';
import { unscoped } from '../db/scoped.ts';
import { probeStorage } from '../db/storage.ts';
import type { Store } from '../db/store.ts';
import { ApiError } from '../errors.ts';

/** What the health checks look at. */
export interface HealthDeps {
  readonly store: Store;
  /** True once a stop has begun. */
  readonly stopping: () => boolean;
}

/**
 * Serves `/healthz` (the process lives) and `/readyz` (the database answers and can be written, and no stop has
 * begun).
 */
export function installHealth(app: FastifyInstance, { store, stopping }: HealthDeps): void {
  const probe = storageProbe(store);
  app.get('/healthz', async () => ({ status: 'ok' }));
  app.get('/readyz', async (request) => {
    if (stopping()) throw new ApiError('unavailable', 'The controller is stopping');
    const trouble = store.trouble();
    if (trouble !== null) throw new ApiError('unavailable', trouble);
    try {
      await sql`select 1`.execute(unscoped(store.db, 'touches no table'));
    } catch (error) {
      request.log.error({ requestId: request.id, err: error }, 'the database does not answer');
      throw new ApiError('unavailable', 'The database does not answer');
    }
    if (store.storageFull()) await probe();
    return { status: 'ready' };
  });
}

/** Returns a function that tries to write to the database, at most once a second. */
function storageProbe(store: Store): () => Promise<void> {
  let running: Promise<void> | null = null;
  return async () => {
    running ??= probeStorage(store).finally(() => setTimeout(() => (running = null), probeEveryMs).unref());
    await running;
  };
}

const probeEveryMs = 1_000;

import type { FastifyInstance } from 'fastify';
import type { Actor } from '../db/store.ts';
import { ApiError, OperatorError } from '../errors.ts';
import type { MasterKeyRotation } from './master-key.ts';

/** The keys of the controller that can be replaced. */
export interface Rotations {
  readonly masterKey: Pick<MasterKeyRotation, 'status' | 'rotate' | 'finish'>;
}

/** Adds the replacement of keys to the operator's socket. */
export function addRotations(app: FastifyInstance, { masterKey }: Rotations, operator: Actor): void {
  app.get('/master-key', () => told(() => masterKey.status()));
  app.post('/master-key/rotate', () => told(() => masterKey.rotate(operator)));
  app.post('/master-key/finish', () => told(() => masterKey.finish(operator)));
}

/** What an operator can mend is answered as it is. */
async function told<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof OperatorError ? new ApiError('unavailable', error.message) : error;
  }
}

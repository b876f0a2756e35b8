import type { FastifyInstance } from 'fastify';
import type { Actor } from '../db/store.ts';
import { ApiError, OperatorError } from '../errors.ts';
import type { MasterKeyRotation } from './master-key.ts';
import type { SigningKeyRotation } from './signing-key.ts';

/** The keys of the controller that can be replaced. */
export interface Rotations {
  readonly masterKey: Pick<MasterKeyRotation, 'status' | 'rotate' | 'finish'>;
  readonly signingKey: Pick<SigningKeyRotation, 'status' | 'rotate' | 'finish'>;
}

/** Adds the replacement of keys to the operator's socket. */
export function addRotations(app: FastifyInstance, { masterKey, signingKey }: Rotations, operator: Actor): void {
  for (const [name, rotation] of [
    ['master-key', masterKey],
    ['signing-key', signingKey],
  ] as const) {
    app.get(`/${name}`, () => told<object>(() => rotation.status()));
    app.post(`/${name}/rotate`, () => told<object>(() => rotation.rotate(operator)));
    app.post(`/${name}/finish`, () => told<object>(() => rotation.finish(operator)));
  }
}

/** What an operator can mend is answered as it is. */
async function told<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof OperatorError ? new ApiError('unavailable', error.message) : error;
  }
}

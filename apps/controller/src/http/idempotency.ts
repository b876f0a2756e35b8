import { createHash } from 'node:crypto';
import { type Operation, withoutSecrets } from '@sallyport/contract';
import { decodeJson, encodeJson } from '../db/json.ts';
import { unscoped } from '../db/scoped.ts';
import type { Store, Tx } from '../db/store.ts';
import { ApiError } from '../errors.ts';
import type { SecretBox } from '../secrets/box.ts';
import type { Caller } from './handlers.ts';

/** An answer as it was sent. */
export interface Sent {
  readonly status: number;
  readonly etag: string | null;
  readonly body: string | null;
}

/** A request with an idempotency key. */
export interface IdempotentRequest {
  readonly tenant: string;
  /** Id of the API key or user that asks. Another caller with the same Idempotency-Key makes a request of its own. */
  readonly actor: string;
  readonly key: string;
  readonly hash: string;
}

/** 1 to 200 visible ASCII characters. */
export const idempotencyKeyPattern = '^[!-~]{1,200}$';

/** How long an answer is kept for repeats. */
export const idempotencyMs = 24 * 3600 * 1000;

/** Returns the request's Idempotency-Key and a hash of the request; null without the header. */
export function idempotentRequest(
  caller: Pick<Caller, 'tenant' | 'actor'>,
  header: unknown,
  method: string,
  url: string,
  body: unknown,
): IdempotentRequest | null {
  if (header === undefined) return null;
  if (typeof header !== 'string' || !new RegExp(idempotencyKeyPattern).test(header))
    throw new ApiError('invalid_request', undefined, [
      { pointer: 'header/idempotency-key', message: 'must be 1 to 200 visible ASCII characters' },
    ]);
  const hash = createHash('sha256')
    .update(encodeJson([method, url, body ?? null]))
    .digest('hex');
  return { tenant: caller.tenant, actor: caller.actor.id, key: header, hash };
}

/** Marks requests with a key as running, so that a repeat during the first request is refused. */
export class RunningRequests {
  readonly #running = new Set<string>();

  async guard<T>(request: IdempotentRequest | null, work: () => Promise<T>): Promise<T> {
    if (request === null) return work();
    const name = `${request.tenant} ${request.actor} ${request.key}`;
    if (this.#running.has(name)) throw new ApiError('idempotency_in_progress');
    this.#running.add(name);
    try {
      return await work();
    } finally {
      this.#running.delete(name);
    }
  }
}

/**
 * Returns the answer of the caller's earlier request with this key, without its secrets; otherwise that of `work`. The
 * answer is stored in the same transaction, so that after a crash both the effect and its answer exist, or neither.
 */
export async function onceOnly(
  tx: Tx,
  box: SecretBox,
  operation: Operation,
  request: IdempotentRequest | null,
  work: () => Promise<Sent>,
): Promise<Sent & { readonly replayed: boolean }> {
  if (request === null) return { ...(await work()), replayed: false };
  const purpose = answerPurpose(request.tenant, request.actor);
  const kept = await tx.scoped
    .selectFrom('idempotency_keys')
    .selectAll()
    .where('actor_id', '=', request.actor)
    .where('key', '=', request.key)
    .executeTakeFirst();
  if (kept !== undefined && kept.created_at > tx.now - idempotencyMs) {
    if (kept.request_hash !== request.hash) throw new ApiError('idempotency_key_reused');
    return { ...decodeJson<Sent>(box.open(kept.answer_ciphertext, purpose)), replayed: true };
  }
  const sent = await work();
  const place = { actor_id: request.actor, key: request.key };
  await tx.scoped
    .deleteFrom('idempotency_keys')
    .where('actor_id', '=', place.actor_id)
    .where('key', '=', place.key)
    .execute();
  const row = {
    ...place,
    created_at: tx.now,
    request_hash: request.hash,
    status: sent.status,
    answer_ciphertext: box.seal(encodeJson({ ...sent, body: keptBody(operation, sent.body) }), purpose),
  };
  await tx.scoped.insertInto('idempotency_keys', row).execute();
  return { ...sent, replayed: false };
}

/** Binds a sealed answer to the caller that it is for. */
export const answerPurpose = (tenant: string, actor: string): string => `idempotency ${tenant} ${actor}`;

/** A secret leaves the controller in the first answer only. */
function keptBody({ response }: Operation, body: string | null): string | null {
  if (body === null || response === undefined) return null;
  return encodeJson(withoutSecrets(response, decodeJson<unknown>(body)));
}

/** Removes answers that are too old for repeats. */
export async function forgetOldAnswers(store: Store): Promise<void> {
  await unscoped(store.db, 'ageing is the same for every tenant')
    .deleteFrom('idempotency_keys')
    .where('created_at', '<=', store.now() - idempotencyMs)
    .execute();
}

import { scoped } from '../../db/scoped.ts';
import type { Store, Tx } from '../../db/store.ts';
import { ApiError, invalidField, notFound } from '../../errors.ts';
import type { Handlers } from '../../http/handlers.ts';
import { apiKeyView, audited, issueApiKey } from '../../objects/api-keys/keys.ts';

/** What the operations on API keys need. */
export interface ApiKeyRouteDeps {
  readonly store: Store;
  /** Last use of a key, epoch milliseconds. */
  readonly keyLastUsed: (keyId: string) => number | null;
}

/** API keys. */
export const apiKeyFeature = { routes: apiKeyRoutes };

function apiKeyRoutes({
  store,
  keyLastUsed,
}: ApiKeyRouteDeps): Handlers<'createApiKey' | 'listApiKeys' | 'deleteApiKey'> {
  return {
    createApiKey: {
      write: async (tx, _context, { body }) => {
        const expiresAt = body.expiresAt == null ? null : Date.parse(body.expiresAt);
        if (expiresAt !== null && expiresAt <= tx.now) throw invalidField('/expiresAt', 'must be in the future');
        return { body: await issueApiKey(tx, { name: body.name, role: body.role, expiresAt }) };
      },
    },
    listApiKeys: {
      read: async ({ tenant }) => {
        const rows = await scoped(store.db, tenant)
          .selectFrom('api_keys')
          .selectAll()
          .orderBy('created_at')
          .orderBy('id')
          .execute();
        return { body: rows.map((row) => apiKeyView(row, keyLastUsed(row.id))) };
      },
    },
    deleteApiKey: {
      write: async (tx, _context, { params }) => {
        await removeApiKey(tx, params.id);
        return { body: undefined };
      },
    },
  };
}

async function removeApiKey(tx: Tx, id: string): Promise<void> {
  const keys = await tx.scoped.selectFrom('api_keys').selectAll().execute();
  const row = keys.find((key) => key.id === id);
  if (row === undefined) throw notFound();
  const managers = keys.filter((key) => key.role === 'OWNER' && (key.expires_at === null || key.expires_at > tx.now));
  if (managers.length === 1 && managers[0] === row) throw new ApiError('last_api_key');
  await tx.scoped.deleteFrom('api_keys').where('id', '=', id).execute();
  tx.changed({ kind: 'api-key', id, op: 'delete', name: row.name, before: audited(row), after: null });
}

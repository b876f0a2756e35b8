import type { EnrolmentKey } from '@sallyport/contract';
import { type Scoped, scoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import type { Handlers } from '../../http/handlers.ts';
import { type EnrolmentKeyRow, keysSince } from '../../objects/enrolment-keys/store.ts';
import { deviceUsers } from '../../objects/users/queries.ts';
import { createEnrolmentKey, type EnrolmentKeyDeps, longestLifeMs, removeEnrolmentKey } from './commands.ts';

type EnrolmentKeyOperation = 'createEnrolmentKey' | 'listEnrolmentKeys' | 'deleteEnrolmentKey';

/** Enrolment keys. */
export const enrolmentKeyFeature = { routes: enrolmentKeyRoutes };

function enrolmentKeyRoutes(deps: EnrolmentKeyDeps & { readonly store: Store }): Handlers<EnrolmentKeyOperation> {
  const { store } = deps;
  return {
    createEnrolmentKey: {
      write: async (tx, _context, { body }) => {
        const { row, key } = await createEnrolmentKey(tx, deps, body);
        const [view] = await views(tx.scoped, [row]);
        if (view === undefined) throw new Error('a key that was just made has no view');
        return { body: { ...view, key } };
      },
    },
    listEnrolmentKeys: {
      read: ({ tenant }) =>
        store.read(async (db) => {
          const own = scoped(db, tenant);
          return { body: await views(own, await keysSince(own, store.now() - longestLifeMs)) };
        }),
    },
    deleteEnrolmentKey: {
      write: async (tx, _context, { params }) => {
        await removeEnrolmentKey(tx, params.id);
        return { body: undefined };
      },
    },
  };
}

/** Returns keys in the form of answers, without the keys themselves. */
async function views(db: Scoped, rows: readonly EnrolmentKeyRow[]): Promise<EnrolmentKey[]> {
  const owners = await deviceUsers(
    db,
    rows.flatMap(({ user_id }) => user_id ?? []),
  );
  return rows.map((row) => {
    const owner = owners.get(row.user_id ?? '');
    return {
      id: row.id,
      createdAt: iso(row.created_at),
      expiresAt: iso(row.expires_at),
      ...(row.used_at === null ? {} : { usedAt: iso(row.used_at) }),
      ...(row.name === null ? {} : { name: row.name }),
      ...(owner?.email === undefined ? {} : { user: { id: owner.id, email: owner.email } }),
    };
  });
}

const iso = (at: number): string => new Date(at).toISOString();

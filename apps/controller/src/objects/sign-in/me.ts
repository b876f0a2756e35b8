import type { Me } from '@sallyport/contract';
import { scoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import { notFound } from '../../errors.ts';
import type { CallerSession } from '../../http/handlers.ts';
import { findUser } from '../users/queries.ts';
import { roleInForce } from '../users/role-in-force.ts';
import { settingsRow } from './settings.ts';

/** Returns the signed-in person as answers carry them. */
export async function meView(store: Store, tenant: string, id: string, session: CallerSession): Promise<Me> {
  return store.read(async (open) => {
    const db = scoped(open, tenant);
    const user = await findUser(db, id);
    if (user === undefined) throw notFound();
    const { name, slug } = await settingsRow(db);
    return {
      id,
      email: user.email,
      ...(user.first_name === null ? {} : { firstName: user.first_name }),
      ...(user.last_name === null ? {} : { lastName: user.last_name }),
      role: await roleInForce(db, id, user.is_owner === 1),
      isOwner: user.is_owner === 1,
      tenant: { id: tenant, name, slug: slug ?? '' },
      session: {
        id: session.id,
        expiresAt: new Date(session.expiresAt).toISOString(),
        ...(session.freshUntil > store.now() ? { freshUntil: new Date(session.freshUntil).toISOString() } : {}),
      },
    };
  });
}

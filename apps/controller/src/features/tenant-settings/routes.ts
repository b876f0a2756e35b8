import { scoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import { type Handlers, requireVersion } from '../../http/handlers.ts';
import { changeSettings, tenantRow, tenantView } from './settings.ts';

export interface TenantSettingsDeps {
  readonly store: Store;
  /** Whether a country database is there. */
  readonly countries: () => boolean;
}

export function tenantSettingsRoutes({ store, countries }: TenantSettingsDeps): Handlers<'getTenant' | 'updateTenant'> {
  return {
    getTenant: {
      read: async ({ tenant }) => {
        const row = await tenantRow(scoped(store.db, tenant));
        return { body: tenantView(row, countries()), version: row.version };
      },
    },
    updateTenant: {
      write: async (tx, context, { body }) => {
        const row = await tenantRow(tx.scoped);
        requireVersion(context, row.version);
        const after = await changeSettings(tx, row, body);
        return { body: tenantView(after, countries()), version: after.version };
      },
    },
  };
}

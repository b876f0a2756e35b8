import type { Countries } from '../../countries.ts';
import { scoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import { type Handlers, requireVersion } from '../../http/handlers.ts';
import type { InstallOffer } from '../../http/packages/offer.ts';
import { changeSettings, tenantRow, tenantView } from './settings.ts';

/** What the operations on the tenant's settings need. */
export interface TenantSettingsDeps {
  readonly store: Store;
  /** Whether a country database is there. */
  readonly countries: Pick<Countries, 'known'>;
  /** Address that others reach the controller at; null: not known. */
  readonly publicUrl: string | null;
  readonly installOffer: InstallOffer;
}

/** The settings of the tenant itself. */
export const tenantSettingsFeature = { routes: tenantSettingsRoutes };

function tenantSettingsRoutes({
  store,
  countries,
  publicUrl,
  installOffer,
}: TenantSettingsDeps): Handlers<'getTenant' | 'updateTenant'> {
  const about = () => ({ countries: countries.known, publicUrl, installUrl: installOffer.url });
  return {
    getTenant: {
      read: async ({ tenant }) => {
        await installOffer.look();
        const row = await tenantRow(scoped(store.db, tenant));
        return { body: tenantView(row, about()), version: row.version };
      },
    },
    updateTenant: {
      write: async (tx, context, { body }) => {
        const row = await tenantRow(tx.scoped);
        requireVersion(context, row.version);
        const after = await changeSettings(tx, row, body);
        return { body: tenantView(after, about()), version: after.version };
      },
    },
  };
}

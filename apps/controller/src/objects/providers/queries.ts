import { unscoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import type { ProviderRow } from './store.ts';

export {
  defaultSettings,
  deleteProvider,
  encodeSettings,
  findProvider,
  type GroupMapping,
  insertProvider,
  isMapped,
  labelOf,
  listProviders,
  mappingOf,
  type ProviderRow,
  type ProviderSettings,
  replaceMapping,
  secretPurpose,
  settingsOf,
  updateProvider,
} from './store.ts';

/** Returns the provider with an id, of whatever tenant. */
export const providerAnywhere = (store: Store, id: string): Promise<ProviderRow | undefined> =>
  unscoped(store.db, 'the provider tells its tenant')
    .selectFrom('identity_providers')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirst();

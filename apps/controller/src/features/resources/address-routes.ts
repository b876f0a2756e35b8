import { scoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import type { Handlers } from '../../http/handlers.ts';
import type { ResourceQueries } from '../../objects/resources/queries.ts';
import { changeAddress, removeAddress } from './address-commands.ts';

/** What the operations on addresses need. */
export interface AddressRouteDeps {
  readonly store: Store;
  readonly resources: ResourceQueries;
}

type AddressOperation = 'listAddresses' | 'getAddress' | 'updateAddress' | 'deleteAddress' | 'listAddressGateways';

/** Returns the operations on single addresses. Addresses are created and deleted with their resource. */
export function addressRoutes({ store, resources }: AddressRouteDeps): Handlers<AddressOperation> {
  return {
    listAddresses: {
      read: ({ tenant }) => store.read(async (db) => ({ body: await resources.addresses(scoped(db, tenant)) })),
    },
    getAddress: {
      read: ({ tenant }, { params }) =>
        store.read(async (db) => ({ body: await resources.address(scoped(db, tenant), params.id) })),
    },
    updateAddress: {
      write: async (tx, _context, { params, body }) => {
        await changeAddress(tx, params.id, body);
        return { body: await resources.address(tx.scoped, params.id) };
      },
    },
    deleteAddress: {
      write: async (tx, _context, { params }) => {
        await removeAddress(tx, params.id);
        return { body: undefined };
      },
    },
    listAddressGateways: {
      read: ({ tenant }, { params }) =>
        store.read(async (db) => ({ body: await resources.addressGateways(scoped(db, tenant), params.id) })),
    },
  };
}

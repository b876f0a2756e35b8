import { scoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import { notFound } from '../../errors.ts';
import type { Handlers } from '../../http/handlers.ts';
import { findProtocol, listProtocols } from '../../objects/protocols/store.ts';
import { protocolView } from '../../objects/protocols/views.ts';
import { createProtocol, removeProtocol } from './commands.ts';

type ProtocolOperation = 'createProtocol' | 'listProtocols' | 'getProtocol' | 'deleteProtocol';

/** Protocols. */
export const protocolFeature = { routes: protocolRoutes };

function protocolRoutes({ store }: { readonly store: Store }): Handlers<ProtocolOperation> {
  return {
    createProtocol: {
      write: async (tx, _context, { body }) => ({ body: protocolView(await createProtocol(tx, body)) }),
    },
    listProtocols: {
      read: async ({ tenant }) => {
        const rows = await listProtocols(scoped(store.db, tenant));
        return { body: rows.map(protocolView) };
      },
    },
    getProtocol: {
      read: async ({ tenant }, { params }) => {
        const row = await findProtocol(scoped(store.db, tenant), params.id);
        if (row === undefined) throw notFound();
        return { body: protocolView(row) };
      },
    },
    deleteProtocol: {
      write: async (tx, _context, { params }) => {
        await removeProtocol(tx, params.id);
        return { body: undefined };
      },
    },
  };
}

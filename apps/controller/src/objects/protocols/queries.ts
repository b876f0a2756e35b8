import type { Protocol } from '@sallyport/contract';
import type { Scoped } from '../../db/scoped.ts';
import { findProtocols } from './store.ts';
import { protocolView } from './views.ts';

/** Returns protocols by id. Unknown ids are left out. */
export async function protocolsById(db: Scoped, ids: readonly string[]): Promise<ReadonlyMap<string, Protocol>> {
  const rows = await findProtocols(db, [...new Set(ids)]);
  return new Map(rows.map((row) => [row.id, protocolView(row)]));
}

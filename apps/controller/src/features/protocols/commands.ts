import { randomUUIDv7 } from 'node:crypto';
import type { Input, NetworkProtocol } from '@sallyport/contract';
import { encodeJson } from '../../db/json.ts';
import type { Tx } from '../../db/store.ts';
import { ApiError, notFound } from '../../errors.ts';
import {
  deleteProtocol,
  findProtocol,
  insertProtocol,
  type ProtocolRow,
  resourcesUsing,
} from '../../objects/protocols/store.ts';
import { protocolView } from '../../objects/protocols/views.ts';
import { trackResources } from '../../objects/resources/tracking.ts';

/** Creates a protocol and returns its row. */
export async function createProtocol(tx: Tx, body: Input<'createProtocol'>['body']): Promise<ProtocolRow> {
  const row = {
    id: randomUUIDv7(),
    created_at: tx.now,
    name: body.name ?? nameOf(body.networkProtocols),
    type: 'CUSTOM' as const,
    network_protocols: encodeJson(body.networkProtocols),
  };
  await insertProtocol(tx, row);
  const made = { tenant_id: tx.tenant, ...row };
  tx.changed({
    kind: 'protocol',
    id: row.id,
    op: 'create',
    name: row.name,
    before: null,
    after: protocolView(made),
  });
  return made;
}

/** Addresses that use the protocol lose it; one that is left without any admits nothing. */
export async function removeProtocol(tx: Tx, id: string): Promise<void> {
  const row = await findProtocol(tx.scoped, id);
  if (row === undefined) throw notFound();
  if (row.type !== 'CUSTOM') throw new ApiError('built_in');
  tx.changed({ kind: 'protocol', id, op: 'delete', name: row.name, before: protocolView(row), after: null });
  await trackResources(tx, await resourcesUsing(tx.scoped, id), () => deleteProtocol(tx, id));
}

const longestName = 120;

/** `TCP 80, TCP 443, ICMP`; what does not fit is counted. */
function nameOf(protocols: readonly NetworkProtocol[]): string {
  const parts = protocols.map(({ protocol, port }) => (port === undefined ? protocol : `${protocol} ${port}`));
  for (let shown = parts.length; shown > 0; shown--) {
    const hidden = parts.length - shown;
    const name = parts.slice(0, shown).join(', ') + (hidden === 0 ? '' : ` and ${hidden} more`);
    if (name.length <= longestName) return name;
  }
  return `${parts.length} protocols`;
}

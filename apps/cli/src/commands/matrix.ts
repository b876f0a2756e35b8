import type { MatrixEntry } from '@sallyport/contract';
import type { Item } from '../client.ts';
import type { Session } from '../session.ts';
import type { Column } from '../table.ts';
import { moment } from '../text.ts';

/** Prints who can reach what: the lines as received, or a table with names of policies and gateways. */
export async function showMatrix(session: Session, entries: AsyncIterable<Item<MatrixEntry>>): Promise<void> {
  if (session.json) {
    for await (const { text } of entries) session.out(`${text}\n`);
    return;
  }
  const all: MatrixEntry[] = [];
  for await (const { body } of entries) all.push(body);
  if (all.length === 0) return session.out('No device can reach any resource here.\n');
  const api = await session.api();
  const [policies, gateways] = await Promise.all([api.call('listPolicies'), api.call('listGateways')]);
  const names = new Map([...policies.body, ...gateways.body].map(({ id, name }) => [id, name]));
  session.out(session.table(columns(names), all));
}

function columns(names: ReadonlyMap<string, string>): readonly Column<MatrixEntry>[] {
  const named = (ids: readonly string[]): string => ids.map((id) => names.get(id) ?? id).join(', ') || '-';
  return [
    { heading: 'DEVICE', cell: (e) => e.device.name },
    { heading: 'OWNER', cell: (e) => e.user?.email ?? e.user?.id ?? '-' },
    { heading: 'RESOURCE', cell: (e) => e.resource.name },
    { heading: 'BY POLICY', cell: (e) => named(e.policies) },
    { heading: 'THROUGH', cell: (e) => named(e.gateways) },
    { heading: 'UNTIL', cell: (e) => moment(e.validUntil) },
  ];
}

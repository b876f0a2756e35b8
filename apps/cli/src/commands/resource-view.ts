import type { ResponseBody } from '@sallyport/contract';
import type { Answer } from '../client.ts';
import type { Session } from '../session.ts';
import { type Cell, type Column, status } from '../table.ts';
import { moment } from '../text.ts';
import { addressColumns } from './addresses.ts';

/** A resource as the API returns it. */
export type Resource = ResponseBody<'getResource'>;

/** Prints a resource as JSON, or as text for people. */
export function showResource(session: Session, answer: Answer<Resource>): void {
  session.show(answer, (resource, etag) => {
    const gateways = resource.gateways.map(({ name, status }) => `${name} (${status})`).join(', ');
    const fields = session.details([
      ['Name', resource.name],
      ['Id', resource.id],
      ['Type', resource.type],
      ['Status', resource.status === undefined ? undefined : status(resource.status)],
      ['Unreachable', resource.unreachableReason],
      ['Description', resource.description],
      ['Gateways', gateways || '- (attach one: sally resources attach RESOURCE GATEWAY)'],
      ['Order', resource.loadBalancingMode === 'MANUAL' ? 'MANUAL: first gateway first' : 'AUTOMATIC'],
      ['Labels', resource.labels?.join(', ')],
      ['Updated at', moment(resource.updatedAt)],
      ['ETag', etag],
    ]);
    const names = resource.names === undefined ? '' : `\n${session.table(nameColumns, resource.names)}`;
    return `${fields}\n${session.table(addressColumns, resource.addresses)}${names}`;
  });
}

const nameColumns: readonly Column<NonNullable<Resource['names']>[number]>[] = [
  { heading: 'NAME', cell: ({ address }) => address },
  { heading: 'AT GATEWAY', cell: ({ gateway }) => gateway.name },
  { heading: 'RESOLVES', cell: ({ resolves }) => (resolves ? 'yes' : { text: 'no', style: 'yellow' }) },
  { heading: 'ANSWER', cell: ({ answer }) => answer },
];

/** Columns of the table of resources. */
export const resourceColumns: readonly Column<Resource>[] = [
  { heading: 'NAME', cell: (r) => r.name },
  { heading: 'TYPE', cell: (r) => r.type },
  { heading: 'STATUS', cell: statusOf },
  { heading: 'ADDRESSES', cell: (r) => firstOf(r.addresses.map(({ address }) => address)) },
  { heading: 'GATEWAYS', cell: (r) => firstOf(r.gateways.map(({ name }) => name)) },
  { heading: 'ID', cell: (r) => r.id },
];

/** Returns the status of a resource, or a warning when no policy can open it. */
function statusOf({ type, status: word, addresses, unreachableReason }: Resource): Cell {
  if (unreachableReason === undefined || addresses.length === 0) return status(word);
  if (type === 'PRIVATE' || addresses.some(({ isIp }) => isIp)) return status(word);
  return { text: 'NOT ENFORCED: names only', style: 'yellow' };
}

function firstOf(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(', ');
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown || '-';
}

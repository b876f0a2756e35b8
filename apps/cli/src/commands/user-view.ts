import type { ResponseBody } from '@sallyport/contract';
import type { Answer } from '../client.ts';
import type { Session } from '../session.ts';
import { type Column, status } from '../table.ts';
import { moment } from '../text.ts';

/** A user as the API returns it. */
export type User = ResponseBody<'getUser'>;
/** A role as the API returns it. */
export type Role = ResponseBody<'getRole'>;

/** Columns of the table of users. */
export const userColumns: readonly Column<User>[] = [
  { heading: 'EMAIL', cell: (u) => u.email ?? '-' },
  { heading: 'NAME', cell: (u) => fullName(u) || '-' },
  { heading: 'STATUS', cell: (u) => status(u.status) },
  { heading: 'ROLES', cell: (u) => namesOf(u.roles) },
  { heading: 'GROUPS', cell: (u) => namesOf(u.groups) },
  { heading: 'DEVICES', cell: (u) => String(u.devices.length) },
  { heading: 'ID', cell: (u) => u.id },
];

/** Columns of the table of roles. */
export const roleColumns: readonly Column<Role>[] = [
  { heading: 'NAME', cell: (r) => r.name },
  { heading: 'TYPE', cell: (r) => r.type },
  { heading: 'DESCRIPTION', cell: (r) => r.description ?? '-' },
  { heading: 'ID', cell: (r) => r.id },
];

/** Prints a user as JSON, or as text for people. */
export function showUser(session: Session, answer: Answer<User>): void {
  session.show(answer, (user, etag) => session.details(userFields(user, etag)));
}

function userFields(u: User, etag: string | undefined): Parameters<Session['details']>[0] {
  return [
    ['E-mail', u.email ?? '-'],
    ['Id', u.id],
    ['Name', fullName(u) || undefined],
    ['Status', status(u.status)],
    ['Owner', u.isOwner ? 'yes' : undefined],
    ['Roles', namesOf(u.roles)],
    ['Groups', namesOf(u.groups)],
    ['Devices', u.devices.map(({ name }) => name).join(', ') || '-'],
    ['Device limit', u.maxDevices === null ? 'the limit of the groups' : String(u.maxDevices)],
    ['Department', u.department],
    ...Object.entries(u.attributes ?? {}).map(([name, value]) => [`  ${name}`, [value].flat().join(', ')] as const),
    ['Image', u.image],
    ['Last connection', moment(u.lastConnection)],
    ['Updated at', moment(u.updatedAt)],
    ['ETag', etag],
  ];
}

const fullName = ({ firstName, lastName }: User): string => [firstName, lastName].filter(Boolean).join(' ');

/** Returns the names, separated by commas; `-` when there are none. */
export const namesOf = (all: readonly { readonly name: string }[]): string =>
  all.map(({ name }) => name).join(', ') || '-';

import type { Invitation } from '@sallyport/contract';
import { type Scoped, scoped } from '../../db/scoped.ts';
import type { Tx } from '../../db/store.ts';
import { ApiError } from '../../errors.ts';
import type { Handlers } from '../../http/handlers.ts';
import { envelope, pageOf } from '../../http/paging.ts';
import { newestMails } from '../../objects/mail/queries.ts';
import { mailResult } from '../../objects/mail/views.ts';
import type { SignInDeps } from '../../objects/sign-in/deps.ts';
import { handOver, noteUser } from '../../objects/sign-in/hand-over.ts';
import { type LinkRow, openLinks, removeLinks } from '../../objects/sign-in/links.ts';
import {
  invitationEnd,
  invitationMs,
  pageOfUsers,
  requireUser,
  type UserRow,
  updateUser,
} from '../../objects/users/queries.ts';
import { trackUsers } from '../../objects/users/tracking.ts';

type InvitationOperation = 'listInvitations' | 'createInvitationLink' | 'revokeInvitation';

/** Invitations that were not accepted. */
export const invitationFeature = { routes: invitationRoutes };

function invitationRoutes(deps: SignInDeps): Handlers<InvitationOperation> {
  const { store } = deps;
  return {
    listInvitations: {
      read: ({ tenant }, { query }) =>
        store.read(async (open) => {
          const page = pageOf(query);
          const db = scoped(open, tenant);
          const { rows, total } = await pageOfUsers(db, [], notAccepted, newestFirst, page, store.now());
          return { body: envelope(await views(db, rows, store.now()), total, page) };
        }),
    },
    createInvitationLink: {
      write: async (tx, context, { params }) => {
        const user = await invited(tx, params.id, 'reset the sign-in instead');
        // The link and the invitation last equally long.
        await trackUsers(tx, [user.id], () => updateUser(tx, user.id, { invited_at: tx.now }));
        return { body: await handOver(deps, tx, context, user, 'INVITATION') };
      },
    },
    revokeInvitation: {
      write: async (tx, _context, { params }) => {
        const user = await invited(tx, params.id, 'the invitation was accepted already');
        await trackUsers(tx, [user.id], () => updateUser(tx, user.id, { invited_at: endedBy(user, tx.now) }));
        await removeLinks(tx, user.id);
        noteUser(tx, user, { invitation: 'revoked' });
        return { body: undefined };
      },
    },
  };
}

const notAccepted = [{ field: 'status', operator: 'in', values: ['INVITED', 'EXPIRED'] }] as const;
const newestFirst = [{ column: 'created_at', direction: 'desc' }] as const;

/** The start of an invitation that has ended now, or earlier when it had. */
const endedBy = ({ invited_at }: UserRow, now: number): number => Math.min(invited_at, now - invitationMs);

async function invited(tx: Tx, id: string, advice: string): Promise<UserRow> {
  const user = await requireUser(tx.scoped, id);
  if (user.status !== 'INVITED') throw new ApiError('not_invited', `${user.email} is ${user.status}: ${advice}`);
  return user;
}

async function views(db: Scoped, rows: readonly UserRow[], now: number): Promise<Invitation[]> {
  const ids = rows.map(({ id }) => id);
  const links = await openLinks(db, ids, now);
  const mails = await newestMails(db, ids, 'INVITATION');
  return rows.map((row) => {
    const [end, link, mail] = [invitationEnd(row), links.get(row.id), mails.get(row.id)];
    return {
      user: { id: row.id, email: row.email },
      status: end <= now ? 'EXPIRED' : 'INVITED',
      expiresAt: iso(end),
      ...(link === undefined ? {} : { link: linkView(link) }),
      ...(mail === undefined ? {} : { mail: mailResult(mail) }),
    };
  });
}

const linkView = ({ created_at, expires_at, created_by }: LinkRow): NonNullable<Invitation['link']> => ({
  createdAt: iso(created_at),
  expiresAt: iso(expires_at),
  ...(created_by === null ? {} : { createdBy: created_by }),
});

const iso = (at: number): string => new Date(at).toISOString();

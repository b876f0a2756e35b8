import { InvitationPage, IssuedLink, invitationQuery } from '../http/invitations.ts';
import { byId, define, noQuery } from './define.ts';

/** Operations of the HTTP API that are about invitations which users have not accepted. */
export const invitationOperations = define({
  listInvitations: {
    method: 'GET',
    path: '/tenants/invitations',
    tag: 'Users',
    right: 'read',
    summary: 'List invitations that were not accepted, expired ones too, newest first',
    query: invitationQuery,
    status: 200,
    response: InvitationPage,
  },
  createInvitationLink: {
    method: 'POST',
    path: '/tenants/users/{id}/invitation-link',
    tag: 'Users',
    right: 'write',
    fresh: true,
    summary: 'Create a link for an invited user to set a sign-in method; older links of the user end',
    description:
      'The invitation is good for another seven days. Where the controller sends mail, the link is mailed too, and ' +
      '`mailedTo` has the address. Calling it again sends the invitation again.',
    params: byId,
    query: noQuery,
    status: 201,
    response: IssuedLink,
    failures: ['not_invited', 'sign_in_unavailable'],
  },
  revokeInvitation: {
    method: 'DELETE',
    path: '/tenants/users/{id}/invitation-link',
    tag: 'Users',
    right: 'write',
    summary: 'Revoke an invitation: its link ends, and the user becomes EXPIRED',
    description: 'The user stays and can be invited again. A mail that still waits is not sent.',
    params: byId,
    query: noQuery,
    status: 204,
    failures: ['not_invited'],
  },
});

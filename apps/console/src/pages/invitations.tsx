import type { Invitation } from '@sallyport/contract';
import { useState } from 'react';
import { call, messageOf } from '../data/api.ts';
import { mayWrite, queryClient, useRead } from '../data/queries.ts';
import { InviteDialog } from '../forms/user-form.tsx';
import { Ago, Button, Dialog, Empty, Skeleton, Status, Table, toast } from '../kit/kit.tsx';
import { LinkDialog, type LinkFor } from '../people/link.tsx';
import { useSignedIn } from '../shell/me.ts';
import { PageLink } from '../shell/page-link.tsx';

/** Invitations that were not accepted yet: who, by whom, until when, and what became of the mail. */
export function InvitationsPage() {
  const me = useSignedIn();
  const { data, error } = useRead<'listInvitations'>('user', '/tenants/invitations?limit=100');
  const [inviting, setInviting] = useState(false);
  const [link, setLink] = useState<LinkFor | null>(null);
  const [revoking, setRevoking] = useState<Invitation | null>(null);
  if (error !== null && data === undefined) return <p className="note bad">{messageOf(error)}</p>;
  if (data === undefined) return <Skeleton />;
  const again = ({ user: { id, email } }: Invitation) => setLink({ id, email, purpose: 'invitation-link' });
  return (
    <>
      <div className="head">
        <h1>
          Invitations {data.total > 0 && <span className="list-count num">{data.total.toLocaleString('en')}</span>}
        </h1>
        {mayWrite(me) && (
          <Button look="primary" onClick={() => setInviting(true)}>
            Invite user
          </Button>
        )}
      </div>
      <div className="card">
        {data.data.length === 0 ? (
          <Empty title="No open invitation">
            Everybody who was invited has signed in, or the invitation was revoked.
          </Empty>
        ) : (
          <Table
            caption="Invitations"
            rows={data.data}
            keyOf={({ user }) => user.id}
            columns={[
              {
                head: 'E-mail address',
                cell: ({ user: { id, email } }) => (
                  <PageLink to={`/users/${id}`} title={email}>
                    {email}
                  </PageLink>
                ),
              },
              { head: 'Status', cell: (invitation) => <InvitationStatus invitation={invitation} /> },
              { head: 'Invited by', cell: ({ link: open }) => open?.createdBy ?? <span className="muted">–</span> },
              { head: 'Mail', cell: ({ mail }) => <Mail mail={mail} /> },
              { head: 'Ends', end: true, cell: ({ expiresAt }) => <Ago at={expiresAt} /> },
              ...(mayWrite(me)
                ? [
                    {
                      head: 'Actions',
                      end: true,
                      cell: (invitation: Invitation) => (
                        <span className="row nowrap">
                          <Button look="plain" onClick={() => again(invitation)}>
                            New link<span className="visually-hidden"> for {invitation.user.email}</span>
                          </Button>
                          {invitation.status === 'INVITED' && (
                            <Button look="plain" onClick={() => setRevoking(invitation)}>
                              Revoke<span className="visually-hidden"> invitation of {invitation.user.email}</span>
                            </Button>
                          )}
                        </span>
                      ),
                    },
                  ]
                : []),
            ]}
          />
        )}
      </div>
      <InviteDialog
        open={inviting}
        onClose={() => setInviting(false)}
        onInvited={({ id, email }) => setLink({ id, email: email ?? id, purpose: 'invitation-link', atOnce: true })}
      />
      <LinkDialog to={link} onClose={() => setLink(null)} />
      <Revoke invitation={revoking} onClose={() => setRevoking(null)} />
    </>
  );
}

function InvitationStatus({ invitation: { status, link } }: { invitation: Invitation }) {
  if (status === 'EXPIRED') return <Status meaning="warn">Expired</Status>;
  return link === undefined ? <Status meaning="off">No link</Status> : <Status meaning="wait">Link open</Status>;
}

function Mail({ mail }: Pick<Invitation, 'mail'>) {
  if (mail === undefined) return <span className="muted">none</span>;
  if (mail.state === 'SENT') return <Status meaning="good">Sent</Status>;
  if (mail.state === 'WAITING') return <Status meaning="wait">{mail.failure ?? 'Waiting'}</Status>;
  return (
    <Status meaning="bad">
      <span title={mail.failure}>{mail.failure ?? 'Failed'}</span>
    </Status>
  );
}

function Revoke({ invitation, onClose }: { invitation: Invitation | null; onClose: () => void }) {
  const revoke = async ({ user: { id, email } }: Invitation) => {
    try {
      await call<'revokeInvitation'>('DELETE', `/tenants/users/${id}/invitation-link`);
      await queryClient.invalidateQueries({ queryKey: ['user'] });
      toast(`Revoked the invitation of ${email}.`);
    } catch (failure) {
      toast(messageOf(failure));
    }
    onClose();
  };
  return (
    <Dialog
      title={`Revoke the invitation of ${invitation?.user.email ?? ''}`}
      open={invitation !== null}
      onClose={onClose}
    >
      <p>The link stops working at once. You can invite this person again later.</p>
      <footer className="row">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="danger solid" onClick={() => invitation !== null && void revoke(invitation)}>
          Revoke invitation
        </Button>
      </footer>
    </Dialog>
  );
}

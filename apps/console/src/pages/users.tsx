import type { User } from '@sallyport/contract';
import { useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { call, messageOf } from '../data/api.ts';
import { mayWrite, queryClient, useRead } from '../data/queries.ts';
import { InviteDialog } from '../forms/user-form.tsx';
import { Ago, Button, Dialog, type Meaning, Secret, Skeleton, Status, Table, toast } from '../kit/kit.tsx';
import { Pages, usePage } from '../kit/pages.tsx';
import { PlanDialog, type PlannedWrite } from '../kit/plan.tsx';
import { useSignedIn } from '../shell/me.ts';

const meanings: Record<User['status'], Meaning> = {
  ACTIVE: 'good',
  INVITED: 'wait',
  EXPIRED: 'warn',
  DEACTIVATED: 'off',
};
const words: Record<User['status'], string> = {
  ACTIVE: 'Active',
  INVITED: 'Invited',
  EXPIRED: 'Invitation expired',
  DEACTIVATED: 'Deactivated',
};

/** People of the tenant. */
export function UsersPage() {
  const me = useSignedIn();
  const page = usePage();
  const { id } = useSearch({ strict: false }) as { id?: string };
  const [inviting, setInviting] = useState(false);
  const [link, setLink] = useState<{ email: string; url: string } | null>(null);
  const [write, setWrite] = useState<PlannedWrite | null>(null);
  const { data, error } = useRead<'listUsers'>('user', `/tenants/users?${page.query}`);
  if (error !== null && data === undefined) return <p className="note bad">{messageOf(error)}</p>;
  if (data === undefined) return <Skeleton />;
  const showLink = async (user: User) => {
    const operation = user.status === 'INVITED' ? 'invitation-link' : 'reset-sign-in';
    try {
      const { url } = await call<'createInvitationLink'>('POST', `/tenants/users/${user.id}/${operation}`);
      setLink({ email: user.email ?? '', url });
    } catch (failure) {
      toast(messageOf(failure));
    }
  };
  const setActive = (user: User) =>
    user.status === 'DEACTIVATED'
      ? void call<'reactivateUser'>('POST', `/tenants/users/${user.id}/reactivate`)
          .then(() => queryClient.invalidateQueries({ queryKey: ['user'] }))
          .catch((failure) => toast(messageOf(failure)))
      : setWrite({
          title: `Deactivate ${user.email}`,
          method: 'PATCH',
          path: `/tenants/users/${user.id}/deactivate`,
          verb: 'Deactivate user',
          done: `Deactivated ${user.email}.`,
          danger: true,
        });
  return (
    <>
      <div className="head">
        <h1>Users</h1>
        {mayWrite(me) && (
          <Button look="primary" onClick={() => setInviting(true)}>
            Invite user
          </Button>
        )}
      </div>
      <div className="card">
        <Table
          caption="Users"
          rows={data.data}
          keyOf={(user) => user.id}
          current={id}
          columns={[
            { head: 'E-mail address', cell: ({ email }) => <span title={email}>{email}</span> },
            { head: 'Name', cell: ({ firstName, lastName }) => [firstName, lastName].filter(Boolean).join(' ') },
            { head: 'Status', cell: ({ status }) => <Status meaning={meanings[status]}>{words[status]}</Status> },
            { head: 'Roles', cell: ({ roles }) => roles.map(({ name }) => name).join(', ') },
            { head: 'Groups', cell: ({ groups }) => groups.map(({ name }) => name).join(', ') },
            { head: 'Devices', end: true, cell: ({ devices }) => devices.length },
            { head: 'Last connection', end: true, cell: ({ lastConnection }) => <Ago at={lastConnection} /> },
            ...(mayWrite(me)
              ? [
                  {
                    head: 'Actions',
                    end: true,
                    cell: (user: User) =>
                      user.isOwner ? (
                        ''
                      ) : (
                        <span className="row nowrap">
                          {(user.status === 'INVITED' || user.status === 'ACTIVE') && (
                            <Button look="plain" onClick={() => void showLink(user)}>
                              {user.status === 'INVITED' ? 'Invitation link' : 'Reset sign-in'}
                              <span className="visually-hidden"> of {user.email}</span>
                            </Button>
                          )}
                          <Button look="plain" onClick={() => setActive(user)}>
                            {user.status === 'DEACTIVATED' ? 'Reactivate' : 'Deactivate'}
                            <span className="visually-hidden"> {user.email}</span>
                          </Button>
                        </span>
                      ),
                  },
                ]
              : []),
          ]}
        />
      </div>
      <Pages page={page} total={data.total} />
      <InviteDialog open={inviting} onClose={() => setInviting(false)} onInvited={(user) => void showLink(user)} />
      <Dialog title="Hand this link over" open={link !== null} onClose={() => setLink(null)}>
        {link !== null && (
          <>
            <p>
              The first person who opens it sets the sign-in of {link.email}. Send it over a channel that only this
              person reads.
            </p>
            <Secret text={link.url} about={`Link for ${link.email}, good once.`} />
          </>
        )}
      </Dialog>
      <PlanDialog write={write} onClose={() => setWrite(null)} />
    </>
  );
}

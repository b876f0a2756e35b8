import type { User } from '@sallyport/contract';
import { useSearch } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { type ApiFailure, call, failureOf, messageOf } from '../data/api.ts';
import { mayWrite, queryClient, useRead } from '../data/queries.ts';
import {
  Ago,
  Button,
  Choice,
  Dialog,
  Field,
  type Meaning,
  Secret,
  Skeleton,
  Status,
  Table,
  toast,
} from '../kit/kit.tsx';
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
      <Invite open={inviting} onClose={() => setInviting(false)} onInvited={(user) => void showLink(user)} />
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

function Invite({ open, onClose, onInvited }: { open: boolean; onClose: () => void; onInvited: (user: User) => void }) {
  const groups = useRead<'listGroups'>('group', '/tenants/groups?limit=100', open);
  const [email, setEmail] = useState('');
  const [group, setGroup] = useState('');
  const [failure, setFailure] = useState<ApiFailure | null>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    try {
      const user = (await call<'createUsers'>('POST', '/tenants/users', {
        email,
        groups: group === '' ? [] : [group],
      })) as User;
      await queryClient.invalidateQueries({ queryKey: ['user'] });
      setEmail('');
      onClose();
      onInvited(user);
    } catch (error) {
      setFailure(failureOf(error));
    }
  };
  return (
    <Dialog title="Invite a user" open={open} onClose={onClose}>
      <form className="stack" onSubmit={submit}>
        {failure !== null && failure.fields.length === 0 && (
          <p className="note bad" role="alert">
            {failure.message}
          </p>
        )}
        <Field
          label="E-mail address"
          type="email"
          value={email}
          onChange={(event) => setEmail(event.target.value)}
          error={failure?.field('/email')}
          required
        />
        <Choice label="Group" value={group} onChange={(event) => setGroup(event.target.value)}>
          <option value="">The default group</option>
          {(groups.data?.data ?? [])
            .filter(({ deleteable }) => deleteable)
            .map(({ id, name }) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
        </Choice>
        <p className="muted small">You get a link to hand over. No mail is sent.</p>
        <footer className="row">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="primary">
            Invite user
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}

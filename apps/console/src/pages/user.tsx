import type { User } from '@sallyport/contract';
import { useNavigate, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { mayWrite, useRead } from '../data/queries.ts';
import { UserDialog } from '../forms/user-form.tsx';
import { Ago, Button, Status } from '../kit/kit.tsx';
import { deletionOf, PlanDialog, type PlannedWrite } from '../kit/plan.tsx';
import { userMeanings, userWords } from '../lists/meanings.ts';
import { userYaml } from '../object/declared.ts';
import { Loading, ObjectFrame } from '../object/frame.tsx';
import { LinkDialog, type LinkFor } from '../people/link.tsx';
import { GroupsOf } from '../people/memberships.tsx';
import { RoleInForce } from '../people/role.tsx';
import { SessionsOf } from '../people/sessions.tsx';
import { useSignedIn } from '../shell/me.ts';
import { PageLink } from '../shell/page-link.tsx';

/** One user on a page of its own. */
export function UserPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  return <UserObject id={id} />;
}

/** One user: status, roles, groups and devices. `page`: where the user can be seen alone. */
export function UserObject({ id, page }: { id: string; page?: string }) {
  const { data: user, error } = useRead<'getUser'>('user', `/tenants/users/${id}`);
  const own = useRead<'listUserRoles'>('user', `/tenants/users/${id}/roles?rolesOnly=true`);
  if (user === undefined) return <Loading error={error} />;
  const ownRoles = (own.data ?? []).filter(({ type }) => type !== 'OWNER').map(({ name }) => name);
  return (
    <ObjectFrame
      id={id}
      name={user.email ?? id}
      page={page}
      status={<Status meaning={userMeanings[user.status]}>{userWords[user.status]}</Status>}
      actions={user.isOwner ? undefined : <Actions user={user} />}
      commands={[
        { about: 'Show the user', line: `sally users get ${id}` },
        {
          about: user.status === 'DEACTIVATED' ? 'Reactivate the user' : 'Deactivate the user',
          line: `sally users ${user.status === 'DEACTIVATED' ? 'reactivate' : 'deactivate'} ${id}`,
        },
        { about: 'See what a deletion changes', line: `sally users delete ${id} --dry-run` },
      ]}
      yaml={userYaml(user, ownRoles)}
      tabs={[{ key: 'sessions', text: 'Sessions', body: <SessionsOf user={user} /> }]}
    >
      <Facts user={user} />
    </ObjectFrame>
  );
}

function Facts({ user }: { user: User }) {
  return (
    <dl className="facts">
      <dt>Name</dt>
      <dd>{[user.firstName, user.lastName].filter(Boolean).join(' ') || <span className="muted">not given</span>}</dd>
      <dt>Role</dt>
      <dd>
        <RoleInForce user={user} />
      </dd>
      <dt>Groups</dt>
      <dd>
        <GroupsOf user={user} />
      </dd>
      <dt>Devices</dt>
      <dd className="stack tight">
        {user.devices.length === 0 && <span className="muted">none</span>}
        {user.devices.map(({ id, name }) => (
          <PageLink key={id} to="/devices" search={{ id }}>
            {name}
          </PageLink>
        ))}
      </dd>
      {user.department !== undefined && (
        <>
          <dt>Department</dt>
          <dd>{user.department}</dd>
        </>
      )}
      <dt>Last connection</dt>
      <dd>
        <Ago at={user.lastConnection} />
      </dd>
      <dt>Added</dt>
      <dd>
        <Ago at={user.createdAt} />
      </dd>
    </dl>
  );
}

function Actions({ user }: { user: User }) {
  const me = useSignedIn();
  const navigate = useNavigate();
  const [link, setLink] = useState<LinkFor | null>(null);
  const [editing, setEditing] = useState(false);
  const [write, setWrite] = useState<PlannedWrite | null>(null);
  if (!mayWrite(me)) return null;
  const reactivate = () =>
    setWrite({
      title: `Reactivate ${user.email}`,
      method: 'POST',
      path: `/tenants/users/${user.id}/reactivate`,
      verb: 'Reactivate user',
      done: `Reactivated ${user.email}.`,
    });
  const deactivate = () =>
    setWrite({
      title: `Deactivate ${user.email}`,
      method: 'PATCH',
      path: `/tenants/users/${user.id}/deactivate`,
      verb: 'Deactivate user',
      done: `Deactivated ${user.email}.`,
      danger: true,
    });
  const remove = () => setWrite(deletionOf('user', user.email ?? '', `/tenants/users/${user.id}`));
  return (
    <>
      <Button onClick={() => setEditing(true)}>Edit</Button>
      {user.status !== 'DEACTIVATED' && (
        <Button
          onClick={() =>
            setLink({
              id: user.id,
              email: user.email ?? user.id,
              purpose: user.status === 'ACTIVE' ? 'reset-sign-in' : 'invitation-link',
            })
          }
        >
          {user.status === 'ACTIVE' ? 'Reset sign-in' : 'Invitation link'}
        </Button>
      )}
      <Button onClick={user.status === 'DEACTIVATED' ? reactivate : deactivate}>
        {user.status === 'DEACTIVATED' ? 'Reactivate' : 'Deactivate'}
      </Button>
      <Button look="danger" onClick={remove}>
        Delete
      </Button>
      <LinkDialog to={link} onClose={() => setLink(null)} />
      <UserDialog id={user.id} open={editing} onClose={() => setEditing(false)} />
      <PlanDialog
        write={write}
        onClose={() => setWrite(null)}
        onDone={() => {
          if (write?.method === 'DELETE') void navigate({ to: '/users', search: {} } as never);
        }}
      />
    </>
  );
}

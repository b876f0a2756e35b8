import type { Group, Role, User } from '@sallyport/contract';
import { useState } from 'react';
import { getVersioned, type Versioned } from '../data/api.ts';
import { mayWrite, useRead } from '../data/queries.ts';
import { Edit } from '../forms/edit.tsx';
import { RoleChecks } from '../forms/roles.tsx';
import { Form, useForm } from '../kit/form.tsx';
import { Button, Dialog, Skeleton } from '../kit/kit.tsx';
import { useSignedIn } from '../shell/me.ts';
import { PageLink } from '../shell/page-link.tsx';

/** The role that a person acts with, and where it comes from. */
export function RoleInForce({ user }: { user: User }) {
  const me = useSignedIn();
  const own = useRead<'listUserRoles'>('user', `/tenants/users/${user.id}/roles?rolesOnly=true`);
  const groups = useRead<'listGroups'>('group', `/tenants/groups?filter[users.id][eq]=${user.id}&limit=100`);
  const all = useRead<'listRoles'>('role', '/tenants/roles');
  const [editing, setEditing] = useState(false);
  if (own.data === undefined || groups.data === undefined || all.data === undefined) return <Skeleton lines={1} />;
  const { role, groups: givers } = inForce(user, all.data, own.data, groups.data.data);
  return (
    <div className="stack tight">
      <span className="row">
        <strong>{role?.name ?? 'User'}</strong>
        {mayWrite(me) && !user.isOwner && (
          <Button look="plain" onClick={() => setEditing(true)}>
            Change roles
          </Button>
        )}
      </span>
      <span className="muted small">
        {user.isOwner
          ? 'The owner of the tenant may do everything.'
          : givers === null
            ? 'It is set on the user. Roles of groups do not count then.'
            : givers.length === 0
              ? 'No role is set, neither on the user nor by a group.'
              : 'It comes from '}
        {(givers ?? []).map(({ id, name }, i) => (
          <span key={id}>
            {i > 0 && ', '}
            <PageLink to="/groups" search={{ id }}>
              {name}
            </PageLink>
          </span>
        ))}
      </span>
      <Dialog title={`Roles of ${user.email ?? user.id}`} open={editing} onClose={() => setEditing(false)}>
        <Edit<'listUserRoles'> path={`/tenants/users/${user.id}/roles?rolesOnly=true`}>
          {(roles) => <RolesForm user={user} all={all.data} own={roles} onDone={() => setEditing(false)} />}
        </Edit>
      </Dialog>
    </div>
  );
}

/** Roles set on the user count before those of groups. `all` is sorted, the highest first. `groups: null`: set on the user. */
function inForce(user: User, all: readonly Role[], own: readonly Role[], groups: readonly Group[]) {
  const highest = (roles: readonly Role[]) => all.find(({ id }) => roles.some((role) => role.id === id));
  if (user.isOwner || own.length > 0)
    return { role: highest(own) ?? all.find(({ type }) => type === 'OWNER'), groups: null };
  const role = highest(groups.flatMap(({ roles }) => roles));
  return { role, groups: groups.filter(({ roles }) => roles.some(({ id }) => id === role?.id)) };
}

interface RolesFormProps {
  readonly user: User;
  readonly all: readonly Role[];
  readonly own: Versioned<readonly Role[]>;
  readonly onDone: () => void;
}

const ids = (roles: readonly Role[]): readonly string[] => roles.map(({ id }) => id).toSorted();

function RolesForm({ user, all, own, onDone }: RolesFormProps) {
  const before = ids(own.value);
  const form = useForm({ roles: 'Roles' }, { roles: before }, null, { addedRoles: 'roles', removedRoles: 'roles' });
  const reload = async () => {
    const path = `/tenants/users/${user.id}/roles?rolesOnly=true` as const;
    const { value, version } = await getVersioned<'listUserRoles'>(path);
    return { value: { roles: ids(value) }, version };
  };
  return (
    <Form
      form={form}
      verb="See what changes"
      write={({ roles }) => ({
        title: `Change the roles of ${user.email}`,
        method: 'PATCH',
        path: `/tenants/users/${user.id}/roles`,
        body: {
          addedRoles: roles.filter((id) => !before.includes(id)),
          removedRoles: before.filter((id) => !roles.includes(id)),
        },
        verb: 'Change roles',
        done: `Changed the roles of ${user.email}.`,
      })}
      reload={reload}
      onDone={onDone}
    >
      <RoleChecks
        label="Roles set on the user"
        roles={all.filter(({ type }) => type !== 'OWNER')}
        chosen={form.values.roles}
        onChange={(roles) => form.set({ roles })}
        error={form.error('roles')}
      />
      <p className="muted small">Without any, the roles of the groups count.</p>
    </Form>
  );
}

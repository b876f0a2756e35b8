import type { Group } from '@sallyport/contract';
import { type FormEvent, useState } from 'react';
import { type ApiFailure, call, failureOf, messageOf } from '../data/api.ts';
import { mayWrite, queryClient, useRead } from '../data/queries.ts';
import { Button, Choice, Dialog, Field, Skeleton, Table } from '../kit/kit.tsx';
import { Pages, usePage } from '../kit/pages.tsx';
import { PlanDialog, type PlannedWrite } from '../kit/plan.tsx';
import { useSignedIn } from '../shell/me.ts';

/** Groups, and the roles that they give. */
export function GroupsPage() {
  const me = useSignedIn();
  const page = usePage();
  const [creating, setCreating] = useState(false);
  const [write, setWrite] = useState<PlannedWrite | null>(null);
  const { data, error } = useRead<'listGroups'>('group', `/tenants/groups?${page.query}`);
  if (error !== null && data === undefined) return <p className="note bad">{messageOf(error)}</p>;
  if (data === undefined) return <Skeleton />;
  return (
    <>
      <div className="head">
        <h1>Groups</h1>
        {mayWrite(me) && (
          <Button look="primary" onClick={() => setCreating(true)}>
            New group
          </Button>
        )}
      </div>
      <div className="card">
        <Table
          caption="Groups"
          rows={data.data}
          keyOf={(group) => group.id}
          columns={[
            { head: 'Name', cell: ({ name }) => <span title={name}>{name}</span> },
            { head: 'Description', cell: ({ description }) => description ?? '' },
            { head: 'Roles', cell: ({ roles }) => roles.map(({ name }) => name).join(', ') },
            { head: 'Members', end: true, cell: ({ users }) => users.length },
            { head: 'Devices per member', end: true, cell: ({ maxDevices }) => maxDevices },
            ...(mayWrite(me)
              ? [
                  {
                    head: 'Actions',
                    end: true,
                    cell: (group: Group) =>
                      group.deleteable ? (
                        <Button
                          look="plain"
                          onClick={() =>
                            setWrite({
                              title: `Delete ${group.name}`,
                              method: 'DELETE',
                              path: `/tenants/groups/${group.id}`,
                              verb: 'Delete group',
                              done: `Deleted ${group.name}.`,
                              danger: true,
                            })
                          }
                        >
                          Delete<span className="visually-hidden"> {group.name}</span>
                        </Button>
                      ) : (
                        ''
                      ),
                  },
                ]
              : []),
          ]}
        />
      </div>
      <Pages page={page} total={data.total} />
      <NewGroup open={creating} onClose={() => setCreating(false)} />
      <PlanDialog write={write} onClose={() => setWrite(null)} />
    </>
  );
}

function NewGroup({ open, onClose }: { open: boolean; onClose: () => void }) {
  const roles = useRead<'listRoles'>('role', '/tenants/roles', open);
  const [name, setName] = useState('');
  const [role, setRole] = useState('');
  const [failure, setFailure] = useState<ApiFailure | null>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const basic = roles.data?.find(({ type }) => type === 'BASIC')?.id;
    try {
      await call<'createGroup'>('POST', '/tenants/groups', {
        name,
        roles: [role || basic].filter((one) => one !== undefined),
      });
      await queryClient.invalidateQueries({ queryKey: ['group'] });
      setName('');
      onClose();
    } catch (error) {
      setFailure(failureOf(error));
    }
  };
  return (
    <Dialog title="New group" open={open} onClose={onClose}>
      <form className="stack" onSubmit={submit}>
        {failure !== null && (
          <p className="note bad" role="alert">
            {failure.message}
          </p>
        )}
        <Field
          label="Name"
          value={name}
          onChange={(event) => setName(event.target.value)}
          error={failure?.field('/name')}
          required
          maxLength={120}
        />
        <Choice
          label="Role"
          hint="What members may do in this system"
          value={role}
          onChange={(event) => setRole(event.target.value)}
        >
          <option value="">User: own account only</option>
          {(roles.data ?? [])
            .filter(({ type }) => type !== 'OWNER' && type !== 'BASIC')
            .map(({ id, name: text, description }) => (
              <option key={id} value={id}>
                {text}: {description}
              </option>
            ))}
        </Choice>
        <footer className="row">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="primary">
            Create group
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}

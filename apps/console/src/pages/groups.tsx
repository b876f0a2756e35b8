import type { Group } from '@sallyport/contract';
import { useState } from 'react';
import { messageOf } from '../data/api.ts';
import { mayWrite, useRead } from '../data/queries.ts';
import { GroupDialog } from '../forms/group-form.tsx';
import { Button, Skeleton, Table } from '../kit/kit.tsx';
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
      <GroupDialog open={creating} onClose={() => setCreating(false)} />
      <PlanDialog write={write} onClose={() => setWrite(null)} />
    </>
  );
}

import type { Group } from '@sallyport/contract';
import { useNavigate, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { mayWrite, useRead } from '../data/queries.ts';
import { GroupDialog } from '../forms/group-form.tsx';
import { Ago, Button } from '../kit/kit.tsx';
import { deletionOf, PlanDialog, type PlannedWrite } from '../kit/plan.tsx';
import { plural } from '../kit/text.ts';
import { groupYaml } from '../object/declared.ts';
import { Loading, ObjectFrame } from '../object/frame.tsx';
import { MembersOf } from '../people/memberships.tsx';
import { useSignedIn } from '../shell/me.ts';

/** One group on a page of its own. */
export function GroupPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  return <GroupObject id={id} />;
}

/** One group: its roles and members. `page`: where it can be seen alone. */
export function GroupObject({ id, page }: { id: string; page?: string }) {
  const { data: group, error } = useRead<'getGroup'>('group', `/tenants/groups/${id}`);
  if (group === undefined) return <Loading error={error} />;
  return (
    <ObjectFrame
      id={id}
      name={group.name}
      page={page}
      status={<span className="muted">{plural(group.users.length, 'member')}</span>}
      actions={<Actions group={group} />}
      commands={[
        { about: 'Show it', line: `sally groups get ${id}` },
        { about: 'Add a user', line: `sally users groups add USER ${id}` },
        { about: 'See what its deletion changes', line: `sally groups delete ${id} --dry-run` },
      ]}
      yaml={groupYaml(group)}
    >
      <dl className="facts">
        {group.description !== undefined && (
          <>
            <dt>Description</dt>
            <dd>{group.description}</dd>
          </>
        )}
        <dt>Roles</dt>
        <dd>{group.roles.map(({ name }) => name).join(', ') || 'none'}</dd>
        <dt>Devices per member</dt>
        <dd className="num">{group.maxDevices}</dd>
        <dt>Changed</dt>
        <dd>
          <Ago at={group.updatedAt} />
        </dd>
      </dl>
      <h3>Members</h3>
      <MembersOf group={group} />
    </ObjectFrame>
  );
}

function Actions({ group }: { group: Group }) {
  const me = useSignedIn();
  const navigate = useNavigate();
  const [editing, setEditing] = useState(false);
  const [write, setWrite] = useState<PlannedWrite | null>(null);
  if (!mayWrite(me)) return null;
  return (
    <>
      <Button onClick={() => setEditing(true)}>Edit</Button>
      {group.deleteable && (
        <Button look="danger" onClick={() => setWrite(deletionOf('group', group.name, `/tenants/groups/${group.id}`))}>
          Delete
        </Button>
      )}
      <GroupDialog id={group.id} open={editing} onClose={() => setEditing(false)} />
      <PlanDialog
        write={write}
        onClose={() => setWrite(null)}
        onDone={() => void navigate({ to: '/groups', search: {} } as never)}
      />
    </>
  );
}

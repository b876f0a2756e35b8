import type { Group, User } from '@sallyport/contract';
import { useState } from 'react';
import { mayWrite } from '../data/queries.ts';
import { Button, Dialog } from '../kit/kit.tsx';
import { type Picked, Picker } from '../kit/picker.tsx';
import { Plan, PlanDialog, type PlannedWrite } from '../kit/plan.tsx';
import { useSignedIn } from '../shell/me.ts';
import { PageLink } from '../shell/page-link.tsx';

type Named = { readonly id: string; readonly name: string };

const joining = (user: Named, group: Named): PlannedWrite => ({
  title: `Add ${user.name} to ${group.name}`,
  method: 'POST',
  path: `/tenants/users/${user.id}/groups`,
  body: { groupId: group.id },
  verb: 'Add to group',
  done: `Added ${user.name} to ${group.name}.`,
});

const leaving = (user: Named, group: Named): PlannedWrite => ({
  title: `Remove ${user.name} from ${group.name}`,
  method: 'DELETE',
  path: `/tenants/users/${user.id}/groups/${group.id}`,
  verb: 'Remove from group',
  done: `Removed ${user.name} from ${group.name}.`,
  danger: true,
});

/** Groups of a person. Each change shows its plan first. */
export function GroupsOf({ user }: { user: User }) {
  const me = useSignedIn();
  const [write, setWrite] = useState<PlannedWrite | null>(null);
  const [adding, setAdding] = useState(false);
  const self = { id: user.id, name: user.email ?? user.id };
  return (
    <div className="stack tight">
      <ul className="stack tight">
        {user.groups.map((group) => (
          <li key={group.id} className="row between nowrap">
            <span className="grow">
              <PageLink to="/groups" search={{ id: group.id }}>
                {group.name}
              </PageLink>
            </span>
            {mayWrite(me) && user.groups.length > 1 && (
              <Button look="plain" onClick={() => setWrite(leaving(self, group))}>
                Remove<span className="visually-hidden"> from {group.name}</span>
              </Button>
            )}
          </li>
        ))}
      </ul>
      {mayWrite(me) && (
        <span>
          <Button onClick={() => setAdding(true)}>Add to group</Button>
        </span>
      )}
      <Join
        title={`Add ${self.name} to a group`}
        kind="group"
        open={adding}
        writeOf={(group) => joining(self, group)}
        onClose={() => setAdding(false)}
      />
      <PlanDialog write={write} onClose={() => setWrite(null)} />
    </div>
  );
}

/** Members that are named; the list of users has the others. */
const mostNamed = 100;

/** Members of a group. Each change shows its plan first. */
export function MembersOf({ group }: { group: Group }) {
  const me = useSignedIn();
  const [write, setWrite] = useState<PlannedWrite | null>(null);
  const [adding, setAdding] = useState(false);
  const { users } = group;
  return (
    <div className="stack tight">
      {users.length === 0 && <p className="muted">It has no members.</p>}
      <ul className="stack tight">
        {users.slice(0, mostNamed).map(({ id, email, firstName, lastName }) => (
          <li key={id} className="row between nowrap">
            <span className="grow">
              <PageLink to="/users" search={{ id }}>
                {email ?? id}
              </PageLink>
              <span className="muted"> {[firstName, lastName].filter(Boolean).join(' ')}</span>
            </span>
            {mayWrite(me) && (
              <Button look="plain" onClick={() => setWrite(leaving({ id, name: email ?? id }, group))}>
                Remove<span className="visually-hidden"> {email}</span>
              </Button>
            )}
          </li>
        ))}
        {users.length > mostNamed && <li className="muted">and {users.length - mostNamed} more</li>}
      </ul>
      {mayWrite(me) && (
        <span>
          <Button onClick={() => setAdding(true)}>Add member</Button>
        </span>
      )}
      <Join
        title={`Add a member to ${group.name}`}
        kind="user"
        open={adding}
        writeOf={(user) => joining(user, group)}
        onClose={() => setAdding(false)}
      />
      <PlanDialog write={write} onClose={() => setWrite(null)} />
    </div>
  );
}

interface JoinProps {
  readonly title: string;
  readonly kind: 'group' | 'user';
  readonly open: boolean;
  readonly writeOf: (picked: Named) => PlannedWrite;
  readonly onClose: () => void;
}

function Join({ title, open, onClose, ...rest }: JoinProps) {
  return (
    <Dialog title={title} open={open} onClose={onClose}>
      <JoinPlan {...rest} onClose={onClose} />
    </Dialog>
  );
}

function JoinPlan({ kind, writeOf, onClose }: Pick<JoinProps, 'kind' | 'writeOf' | 'onClose'>) {
  const [picked, setPicked] = useState<readonly Picked[]>([]);
  const [first] = picked;
  return (
    <>
      <div className={first === undefined ? 'room' : undefined}>
        <Picker label={kind === 'group' ? 'Group' : 'User'} kind={kind} single chosen={picked} onChange={setPicked} />
      </div>
      {first === undefined ? (
        <footer className="row">
          <Button onClick={onClose}>Cancel</Button>
        </footer>
      ) : (
        <Plan key={first.id} write={writeOf(first)} onBack={onClose} onDone={onClose} />
      )}
    </>
  );
}

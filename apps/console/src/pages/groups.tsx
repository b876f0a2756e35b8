import { useState } from 'react';
import { mayWrite } from '../data/queries.ts';
import { GroupDialog } from '../forms/group-form.tsx';
import { Button } from '../kit/kit.tsx';
import { ListPage } from '../list/list.tsx';
import { groupList } from '../lists/groups.tsx';
import { useSignedIn } from '../shell/me.ts';

/** Groups, and the roles that they give. */
export function GroupsPage() {
  const me = useSignedIn();
  const [creating, setCreating] = useState(false);
  return (
    <>
      <ListPage
        list={groupList}
        title="Groups"
        action={
          mayWrite(me) && (
            <Button look="primary" onClick={() => setCreating(true)}>
              New group
            </Button>
          )
        }
      />
      <GroupDialog open={creating} onClose={() => setCreating(false)} />
    </>
  );
}

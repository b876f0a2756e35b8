import { useState } from 'react';
import { mayWrite } from '../data/queries.ts';
import { ResourceDialog } from '../forms/resource-form.tsx';
import { Button } from '../kit/kit.tsx';
import { ListPage } from '../list/list.tsx';
import { resourceList } from '../lists/resources.tsx';
import { useSignedIn } from '../shell/me.ts';

/** What devices can reach. */
export function ResourcesPage() {
  const me = useSignedIn();
  const [creating, setCreating] = useState(false);
  return (
    <>
      <ListPage
        list={resourceList}
        title="Resources"
        action={
          mayWrite(me) && (
            <Button look="primary" onClick={() => setCreating(true)}>
              New resource
            </Button>
          )
        }
      />
      <ResourceDialog open={creating} onClose={() => setCreating(false)} />
    </>
  );
}

import { useState } from 'react';
import { mayWrite } from '../data/queries.ts';
import { InviteDialog } from '../forms/user-form.tsx';
import { Button } from '../kit/kit.tsx';
import { ListPage } from '../list/list.tsx';
import { userList } from '../lists/users.tsx';
import { LinkDialog, type LinkFor } from '../people/link.tsx';
import { useSignedIn } from '../shell/me.ts';

/** People of the tenant. */
export function UsersPage() {
  const me = useSignedIn();
  const [inviting, setInviting] = useState(false);
  const [link, setLink] = useState<LinkFor | null>(null);
  return (
    <>
      <ListPage
        list={userList}
        title="Users"
        action={
          mayWrite(me) && (
            <Button look="primary" onClick={() => setInviting(true)}>
              Invite user
            </Button>
          )
        }
      />
      <InviteDialog
        open={inviting}
        onClose={() => setInviting(false)}
        onInvited={({ id, email }) => setLink({ id, email: email ?? id, purpose: 'invitation-link', atOnce: true })}
      />
      <LinkDialog to={link} onClose={() => setLink(null)} />
    </>
  );
}

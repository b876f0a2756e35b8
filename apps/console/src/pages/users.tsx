import type { User } from '@sallyport/contract';
import { useState } from 'react';
import { call, messageOf } from '../data/api.ts';
import { mayWrite } from '../data/queries.ts';
import { InviteDialog } from '../forms/user-form.tsx';
import { Button, Dialog, Secret, toast } from '../kit/kit.tsx';
import { ListPage } from '../list/list.tsx';
import { userList } from '../lists/users.tsx';
import { useSignedIn } from '../shell/me.ts';

/** People of the tenant. */
export function UsersPage() {
  const me = useSignedIn();
  const [inviting, setInviting] = useState(false);
  const [link, setLink] = useState<{ email: string; url: string } | null>(null);
  const showLink = async (user: User) => {
    try {
      const { url } = await call<'createInvitationLink'>('POST', `/tenants/users/${user.id}/invitation-link`);
      setLink({ email: user.email ?? '', url });
    } catch (failure) {
      toast(messageOf(failure));
    }
  };
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
      <InviteDialog open={inviting} onClose={() => setInviting(false)} onInvited={(user) => void showLink(user)} />
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
    </>
  );
}

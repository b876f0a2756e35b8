import type { IssuedLink } from '@sallyport/contract';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import { call, messageOf } from '../data/api.ts';
import { queryClient } from '../data/queries.ts';
import { Ago, Button, Dialog, Secret, Skeleton } from '../kit/kit.tsx';

/** What a link is for: an invitation of a new person, or a new way to sign in for one who lost the old one. */
export type LinkPurpose = 'invitation-link' | 'reset-sign-in';

/** Whom a link is for. */
export interface LinkFor {
  readonly id: string;
  readonly email: string;
  readonly purpose: LinkPurpose;
  /** Makes the link without a question: the person was invited just now. */
  readonly atOnce?: boolean;
}

/** Makes a link for a person and shows it once. A reset is confirmed first, because it ends the old ways to sign in. */
export function LinkDialog({ to, onClose }: { to: LinkFor | null; onClose: () => void }) {
  return (
    <Dialog
      title={to?.purpose === 'reset-sign-in' ? 'Reset sign-in' : 'Invitation link'}
      open={to !== null}
      onClose={onClose}
    >
      {to !== null && <Issue key={to.id} to={to} onClose={onClose} />}
    </Dialog>
  );
}

const about: Record<LinkPurpose, (email: string) => ReactNode> = {
  'invitation-link': (email) =>
    `${email} gets a new link, good for seven days. Links that were handed out before stop working.`,
  'reset-sign-in': (email) => (
    <>
      This removes every passkey, password and authenticator app of {email}, and ends all sessions. A link for a new way
      to sign in takes their place. Devices stay connected.
    </>
  ),
};

const verbs: Record<LinkPurpose, string> = { 'invitation-link': 'Create link', 'reset-sign-in': 'Reset sign-in' };

function Issue({ to: { id, email, purpose, atOnce = false }, onClose }: { to: LinkFor; onClose: () => void }) {
  const [link, setLink] = useState<IssuedLink | null>(null);
  const [failure, setFailure] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const issue = async () => {
    setBusy(true);
    setFailure(null);
    try {
      setLink(await call<'createInvitationLink'>('POST', `/tenants/users/${id}/${purpose}`));
      await queryClient.invalidateQueries({ queryKey: ['user'] });
    } catch (error) {
      setFailure(error);
    }
    setBusy(false);
  };
  const begun = useRef(false);
  useEffect(() => {
    if (!atOnce || begun.current) return;
    begun.current = true;
    void issue();
  });
  if (link !== null) return <Handover email={email} link={link} onClose={onClose} />;
  return (
    <>
      {!atOnce && <p>{about[purpose](email)}</p>}
      {atOnce && failure === null && <Skeleton lines={3} />}
      {failure !== null && (
        <p className="note bad" role="alert">
          {messageOf(failure)}
        </p>
      )}
      <footer className="row">
        <Button onClick={onClose}>Cancel</Button>
        <Button
          look={purpose === 'reset-sign-in' ? 'danger solid' : 'primary'}
          busy={busy}
          onClick={() => void issue()}
        >
          {verbs[purpose]}
        </Button>
      </footer>
    </>
  );
}

function Handover({ email, link, onClose }: { email: string; link: IssuedLink; onClose: () => void }) {
  return (
    <>
      {link.mailedTo === undefined ? (
        <p>
          The first person who opens this link sets the sign-in of {email}. Send it over a channel that only this person
          reads.
        </p>
      ) : (
        <p>
          The controller mails this link to {link.mailedTo}. You can hand it over yourself as well: it works once, for
          whichever comes first.
        </p>
      )}
      <Secret text={link.url} about={`Link for ${email}, good once.`} />
      <p className="muted small">
        It ends <Ago at={link.expiresAt} />.
      </p>
      <footer className="row">
        <Button look="primary" onClick={onClose}>
          Close
        </Button>
      </footer>
    </>
  );
}

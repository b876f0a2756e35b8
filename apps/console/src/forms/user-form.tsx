import type { User } from '@sallyport/contract';
import { getVersioned, type Versioned } from '../data/api.ts';
import { Form, type Labels, useForm } from '../kit/form.tsx';
import { Dialog, Field } from '../kit/kit.tsx';
import { type Picked, Picker } from '../kit/picker.tsx';
import { Edit } from './edit.tsx';

interface Invited {
  readonly email: string;
  readonly groups: readonly Picked[];
}

const invitedLabels: Labels<Invited> = { email: 'E-mail address', groups: 'Groups' };

interface InviteDialogProps {
  readonly open: boolean;
  readonly onClose: () => void;
  readonly onInvited: (user: User) => void;
}

/** Invites a person. */
export function InviteDialog({ open, onClose, onInvited }: InviteDialogProps) {
  return (
    <Dialog title="Invite a user" open={open} onClose={onClose}>
      <InviteForm
        onDone={(user) => {
          onClose();
          onInvited(user);
        }}
      />
    </Dialog>
  );
}

function InviteForm({ onDone }: { onDone: (user: User) => void }) {
  const form = useForm<Invited>(invitedLabels, { email: '', groups: [] });
  return (
    <Form
      form={form}
      verb="Invite user"
      write={({ email, groups }) => ({
        title: `Invite ${email}`,
        // A person without a device gains nothing yet.
        direct: true,
        method: 'POST',
        path: '/tenants/users',
        body: { email, groups: groups.map(({ id }) => id) },
        verb: 'Invite user',
        done: `Invited ${email}.`,
      })}
      onDone={(answer) => onDone(answer as User)}
    >
      <Field label={invitedLabels.email} type="email" {...form.field('email')} required />
      <Picker
        label={invitedLabels.groups}
        kind="group"
        hint="Left empty, the default group."
        chosen={form.values.groups}
        onChange={(groups) => form.set({ groups })}
        error={form.error('groups')}
      />
      <p className="muted small">You get a link to hand over.</p>
    </Form>
  );
}

interface Profile {
  readonly firstName: string;
  readonly lastName: string;
  readonly department: string;
  readonly maxDevices: string;
}

const profileLabels: Labels<Profile> = {
  firstName: 'First name',
  lastName: 'Last name',
  department: 'Department',
  maxDevices: 'Most devices',
};

const profileOf = ({ firstName = '', lastName = '', department = '', maxDevices }: User): Profile => ({
  firstName,
  lastName,
  department,
  maxDevices: maxDevices === null ? '' : String(maxDevices),
});

/** Changes what is known about a person. Admission rules may read it, so a plan comes first. */
export function UserDialog({ id, open, onClose }: { id: string; open: boolean; onClose: () => void }) {
  return (
    <Dialog title="Change user" open={open} onClose={onClose}>
      <Edit<'getUser'> path={`/tenants/users/${id}`}>{(user) => <UserForm user={user} onDone={onClose} />}</Edit>
    </Dialog>
  );
}

function UserForm({ user, onDone }: { user: Versioned<User>; onDone: () => void }) {
  const form = useForm<Profile>(profileLabels, profileOf(user.value), user.version);
  const { id, email = id } = user.value;
  const reload = async () => {
    const { value, version } = await getVersioned<'getUser'>(`/tenants/users/${id}`);
    return { value: profileOf(value), version };
  };
  const optional = (text: string) => (text === '' ? null : text);
  return (
    <Form
      form={form}
      verb="See what changes"
      write={({ firstName, lastName, department, maxDevices }) => ({
        title: `Change ${email}`,
        method: 'PUT',
        path: `/tenants/users/${id}`,
        body: {
          firstName: optional(firstName),
          lastName: optional(lastName),
          department: optional(department),
          maxDevices: maxDevices === '' ? null : Number(maxDevices),
        },
        verb: 'Change user',
        done: `Changed ${email}.`,
      })}
      reload={reload}
      onDone={onDone}
    >
      <Field label={profileLabels.firstName} {...form.field('firstName')} maxLength={120} />
      <Field label={profileLabels.lastName} {...form.field('lastName')} maxLength={120} />
      <Field
        label={profileLabels.department}
        hint="Admission rules read it as user.department"
        {...form.field('department')}
        maxLength={120}
      />
      <Field
        label={profileLabels.maxDevices}
        hint="Left empty, the limit of the groups counts"
        inputMode="numeric"
        pattern="[0-9]*"
        {...form.field('maxDevices')}
      />
    </Form>
  );
}

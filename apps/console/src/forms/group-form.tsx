import type { Group, Role } from '@sallyport/contract';
import { getVersioned, type Versioned } from '../data/api.ts';
import { useRead } from '../data/queries.ts';
import { Form, type Labels, useForm } from '../kit/form.tsx';
import { Dialog, Field, Skeleton } from '../kit/kit.tsx';
import { Edit } from './edit.tsx';
import { RoleChecks } from './roles.tsx';

interface Values {
  readonly name: string;
  readonly description: string;
  readonly roles: readonly string[];
  readonly maxDevices: string;
}

const labels: Labels<Values> = {
  name: 'Name',
  description: 'Description',
  roles: 'Roles of its members',
  maxDevices: 'Devices per member',
};

const valuesOf = ({ name, description = '', roles, maxDevices }: Group): Values => ({
  name,
  description,
  roles: roles.map(({ id }) => id).sort(),
  maxDevices: String(maxDevices),
});

interface GroupDialogProps {
  /** The group to change; left out: a new one is created. */
  readonly id?: string | undefined;
  readonly open: boolean;
  readonly onClose: () => void;
}

/** Creates a group, or changes one. */
export function GroupDialog({ id, open, onClose }: GroupDialogProps) {
  const roles = useRead<'listRoles'>('role', '/tenants/roles', open);
  return (
    <Dialog title={id === undefined ? 'New group' : 'Change group'} open={open} onClose={onClose}>
      {roles.data === undefined ? (
        <Skeleton lines={4} />
      ) : id === undefined ? (
        <GroupForm roles={roles.data} onDone={onClose} />
      ) : (
        <Edit<'getGroup'> path={`/tenants/groups/${id}`}>
          {(group) => <GroupForm roles={roles.data} group={group} onDone={onClose} />}
        </Edit>
      )}
    </Dialog>
  );
}

interface GroupFormProps {
  readonly roles: readonly Role[];
  readonly group?: Versioned<Group>;
  readonly onDone: () => void;
}

function GroupForm({ roles, group, onDone }: GroupFormProps) {
  const basic = roles.filter(({ type }) => type === 'BASIC').map(({ id }) => id);
  const initial =
    group === undefined ? { name: '', description: '', roles: basic, maxDevices: '5' } : valuesOf(group.value);
  const form = useForm<Values>(labels, initial, group?.version ?? null);
  const id = group?.value.id;
  const write = ({ name, description, roles: given, maxDevices }: Values) => {
    const body = {
      name,
      description: description === '' ? null : description,
      roles: given,
      maxDevices: Number(maxDevices),
    };
    return id === undefined
      ? {
          title: `Create ${name}`,
          direct: true,
          method: 'POST',
          path: '/tenants/groups',
          body,
          verb: 'Create group',
          done: `Created ${name}.`,
        }
      : {
          title: `Change ${name}`,
          method: 'PUT',
          path: `/tenants/groups/${id}`,
          body,
          verb: 'Change group',
          done: `Changed ${name}.`,
        };
  };
  const reload = async () => {
    const { value, version } = await getVersioned<'getGroup'>(`/tenants/groups/${id}`);
    return { value: valuesOf(value), version };
  };
  const names = new Map(roles.map((role) => [role.id, role.name]));
  return (
    <Form
      form={form}
      verb={id === undefined ? 'Create group' : 'See what changes'}
      write={write}
      reload={reload}
      show={(_, value) =>
        Array.isArray(value) ? value.map((role) => names.get(role) ?? role).join(', ') : String(value)
      }
      onDone={onDone}
    >
      <Field label={labels.name} {...form.field('name')} required maxLength={120} />
      <Field label={labels.description} {...form.field('description')} maxLength={1000} />
      <RoleChecks
        label={labels.roles}
        roles={roles.filter(({ type }) => type !== 'OWNER')}
        chosen={form.values.roles}
        onChange={(chosen) => form.set({ roles: chosen })}
        error={form.error('roles')}
      />
      <Field
        label={labels.maxDevices}
        hint="Devices that each member may add, 0 to 10,000"
        inputMode="numeric"
        pattern="[0-9]+"
        {...form.field('maxDevices')}
        required
      />
    </Form>
  );
}

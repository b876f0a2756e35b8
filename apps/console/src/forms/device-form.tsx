import type { Device } from '@sallyport/contract';
import { getVersioned, type Versioned } from '../data/api.ts';
import { Form, type Labels, useForm } from '../kit/form.tsx';
import { Dialog, Field } from '../kit/kit.tsx';
import { type Picked, Picker } from '../kit/picker.tsx';
import { Edit } from './edit.tsx';

interface Values {
  readonly name: string;
  readonly user: readonly Picked[];
  readonly entryGateway: readonly Picked[];
}

const labels: Labels<Values> = { name: 'Name', user: 'Owner', entryGateway: 'Entry gateway' };

const valuesOf = ({ name, user, entryGateway }: Device): Values => ({
  name,
  user: user === undefined ? [] : [{ id: user.id, name: user.email ?? user.id }],
  entryGateway: entryGateway === undefined ? [] : [{ id: entryGateway.id, name: entryGateway.name }],
});

interface DeviceDialogProps {
  /** The device to change. */
  readonly id: string | undefined;
  readonly onClose: () => void;
}

/** Changes the name, the owner and the entry gateway of a device. */
export function DeviceDialog({ id, onClose }: DeviceDialogProps) {
  return (
    <Dialog title="Change device" open={id !== undefined} onClose={onClose}>
      <Edit<'getDevice'> path={`/tenants/devices/${id}`}>
        {(device) => <DeviceForm device={device} onDone={onClose} />}
      </Edit>
    </Dialog>
  );
}

function DeviceForm({ device, onDone }: { device: Versioned<Device>; onDone: () => void }) {
  const form = useForm<Values>(labels, valuesOf(device.value), device.version);
  const { id, kind } = device.value;
  const reload = async () => {
    const { value, version } = await getVersioned<'getDevice'>(`/tenants/devices/${id}`);
    return { value: valuesOf(value), version };
  };
  return (
    <Form
      form={form}
      verb="See what changes"
      write={({ name, user, entryGateway }) => ({
        title: `Change ${name}`,
        method: 'PATCH',
        path: `/tenants/devices/${id}`,
        body: { name, user: user[0]?.id ?? null, entryGateway: entryGateway[0]?.id ?? null },
        verb: 'Change device',
        done: `Changed ${name}.`,
      })}
      reload={reload}
      show={(_, value) => (Array.isArray(value) ? (value[0]?.name ?? '') : String(value))}
      onDone={onDone}
    >
      <Field label={labels.name} {...form.field('name')} required maxLength={120} />
      <Picker
        label={labels.user}
        kind="user"
        single
        hint="Policies for people and groups count for the devices of the owner."
        chosen={form.values.user}
        onChange={(user) => form.set({ user })}
        error={form.error('user')}
      />
      {kind === 'PLAIN' && (
        <Picker
          label={labels.entryGateway}
          kind="gateway"
          single
          hint="A relaying gateway that carries all traffic of the device. Left empty, it connects to each gateway."
          chosen={form.values.entryGateway}
          onChange={(entryGateway) => form.set({ entryGateway })}
          error={form.error('entryGateway')}
        />
      )}
    </Form>
  );
}

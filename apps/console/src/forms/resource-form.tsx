import type { Protocol, Resource } from '@sallyport/contract';
import { useState } from 'react';
import { getVersioned, type Versioned } from '../data/api.ts';
import { useRead } from '../data/queries.ts';
import { Form, type Labels, useForm } from '../kit/form.tsx';
import { Choice, Dialog, Field, Skeleton } from '../kit/kit.tsx';
import { type Picked, Picker } from '../kit/picker.tsx';
import { Plan } from '../kit/plan.tsx';
import { Edit } from './edit.tsx';

interface Values {
  readonly name: string;
  readonly description: string;
  readonly addresses: string;
  readonly protocol: string;
  readonly gateways: readonly Picked[];
}

const labels: Labels<Values> = {
  name: 'Name',
  description: 'Description',
  addresses: 'Addresses',
  protocol: 'Protocol',
  gateways: 'Gateways',
};

/** Stands for protocols that differ from address to address. */
const mixed = 'mixed';

function valuesOf({ name, description = '', addresses, gateways }: Resource): Values {
  const protocols = new Set(addresses.map((address) => address.protocols.map(({ id }) => id).join(' ')));
  const [only = mixed] = protocols;
  return {
    name,
    description,
    addresses: addresses.map(({ address }) => address).join('\n'),
    protocol: protocols.size === 1 && !only.includes(' ') ? only : mixed,
    gateways: gateways.map((gateway) => ({ id: gateway.id, name: gateway.name })),
  };
}

interface ResourceDialogProps {
  /** The resource to change; left out: a new one is created. */
  readonly id?: string | undefined;
  /** Addresses of a new resource. */
  readonly addresses?: string | undefined;
  readonly open: boolean;
  readonly onClose: () => void;
}

/** Creates a resource, or changes one. */
export function ResourceDialog({ id, addresses, open, onClose }: ResourceDialogProps) {
  const protocols = useRead<'listProtocols'>('protocol', '/tenants/protocols', open);
  const gateways = useRead<'listGateways'>('gateway', '/tenants/gateways', open);
  const ready = protocols.data !== undefined && gateways.data !== undefined;
  const only = gateways.data?.length === 1 ? gateways.data.map((one) => ({ id: one.id, name: one.name })) : [];
  return (
    <Dialog title={id === undefined ? 'New resource' : 'Change resource'} open={open} onClose={onClose}>
      {!ready ? (
        <Skeleton lines={4} />
      ) : id === undefined ? (
        <ResourceForm protocols={protocols.data} gateways={only} addresses={addresses} onDone={onClose} />
      ) : (
        <Edit<'getResource'> path={`/tenants/resources/${id}`}>
          {(resource) => <ResourceForm protocols={protocols.data} resource={resource} onDone={onClose} />}
        </Edit>
      )}
    </Dialog>
  );
}

interface ResourceFormProps {
  readonly protocols: readonly Protocol[];
  readonly resource?: Versioned<Resource>;
  readonly gateways?: readonly Picked[];
  readonly addresses?: string | undefined;
  readonly onDone: () => void;
}

/**
 * The API attaches gateways in a write of its own. So the resource is saved first, and a plan for its gateways follows
 * where they differ.
 */
function ResourceForm({ protocols, resource, gateways = [], addresses = '', onDone }: ResourceFormProps) {
  const [saved, setSaved] = useState<Resource | null>(null);
  const initial =
    resource === undefined
      ? { name: '', description: '', addresses, protocol: protocols[0]?.id ?? mixed, gateways }
      : valuesOf(resource.value);
  const form = useForm<Values>(labels, initial, resource?.version ?? null);
  const id = resource?.value.id;
  const wanted = form.values.gateways.map((gateway) => gateway.id);
  const attached = (resource?.value.gateways ?? []).map((gateway) => gateway.id);
  if (saved !== null) return <Attach resource={saved} gateways={form.values.gateways} onDone={onDone} />;
  const reload = async () => {
    const { value, version } = await getVersioned<'getResource'>(`/tenants/resources/${id}`);
    return { value: valuesOf(value), version };
  };
  return (
    <Form
      form={form}
      verb={id === undefined ? 'Create resource' : 'See what changes'}
      write={(values) => writeOf(values, resource?.value)}
      reload={reload}
      show={(name, value) => shown(name, value, protocols)}
      onDone={(answer) => {
        if (wanted.join() === attached.join()) onDone();
        else setSaved(answer as Resource);
      }}
    >
      <Field label={labels.name} {...form.field('name')} required maxLength={40} />
      <Field label={labels.description} {...form.field('description')} maxLength={120} />
      <Field
        label={labels.addresses}
        hint="IP addresses, subnets such as 10.0.0.0/24, or host names such as *.corp.example, with spaces or commas between"
        {...form.field('addresses')}
        required
      />
      <Choice label={labels.protocol} {...form.field('protocol')}>
        {initial.protocol === mixed && <option value={mixed}>As it is, for each address</option>}
        {protocols.map((one) => (
          <option key={one.id} value={one.id}>
            {one.name}
          </option>
        ))}
      </Choice>
      <Picker
        label={labels.gateways}
        kind="gateway"
        hint="Devices reach it through these. The first has priority."
        chosen={form.values.gateways}
        onChange={(chosen) => form.set({ gateways: chosen })}
        error={form.error('gateways')}
      />
    </Form>
  );
}

function writeOf({ name, description, addresses, protocol }: Values, resource: Resource | undefined) {
  const before = new Map(resource?.addresses.map((one) => [one.address, one.protocols.map(({ id }) => id)]));
  const fallback = [...before.values()][0] ?? [];
  const body = {
    name,
    ...(resource === undefined ? { type: 'PRIVATE' } : {}),
    description: description === '' ? null : description,
    addresses: addresses
      .split(/[\s,]+/)
      .filter(Boolean)
      .map((address) => ({
        address,
        protocols: protocol === mixed ? (before.get(address) ?? fallback) : [protocol],
      })),
  };
  return resource === undefined
    ? {
        title: `Create ${name}`,
        // Without a gateway no device reaches it. The plan for its gateways follows.
        direct: true,
        method: 'POST',
        path: '/tenants/resources',
        body,
        verb: 'Create resource',
        done: `Created ${name}.`,
      }
    : {
        title: `Change ${name}`,
        method: 'PUT',
        path: `/tenants/resources/${resource.id}`,
        body,
        verb: 'Change resource',
        done: `Changed ${name}.`,
      };
}

interface AttachProps {
  readonly resource: Resource;
  readonly gateways: readonly Picked[];
  readonly onDone: () => void;
}

function Attach({ resource: { id, name, loadBalancingMode }, gateways, onDone }: AttachProps) {
  const names = gateways.map((gateway) => gateway.name).join(', ');
  return (
    <>
      <p>
        {name} is saved. {gateways.length === 0 ? 'Detach its gateways?' : `Put it behind ${names}?`}
      </p>
      <Plan
        write={{
          title: `Gateways of ${name}`,
          method: 'PUT',
          path: `/tenants/resources/${id}/load-balancing`,
          body: { loadBalancingMode, gateways: gateways.map((gateway) => gateway.id) },
          verb: gateways.length === 0 ? 'Detach gateways' : 'Attach gateways',
          done: gateways.length === 0 ? `${name} is behind no gateway now.` : `${name} is behind ${names}.`,
        }}
        onBack={onDone}
        onDone={onDone}
      />
    </>
  );
}

function shown(name: string, value: unknown, protocols: readonly Protocol[]): string {
  if (name === 'gateways') return (value as readonly Picked[]).map((gateway) => gateway.name).join(', ');
  if (name === 'protocol') return protocols.find(({ id }) => id === value)?.name ?? 'as it is';
  return String(value);
}

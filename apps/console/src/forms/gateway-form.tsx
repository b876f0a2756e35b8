import type { Gateway } from '@sallyport/contract';
import { dnsServersText, readDnsServers } from '@sallyport/contract/dns-servers';
import { getVersioned, type Versioned } from '../data/api.ts';
import { Form, type Labels, useForm } from '../kit/form.tsx';
import { Dialog, Field } from '../kit/kit.tsx';
import { Edit } from './edit.tsx';

interface Values {
  readonly name: string;
  readonly description: string;
  readonly wireguardPort: string;
  readonly endpoint: string;
  readonly dnsServers: string;
  readonly network: string;
  readonly masquerade: boolean;
}

const labels: Labels<Values> = {
  name: 'Name',
  description: 'Description',
  wireguardPort: 'UDP port',
  endpoint: 'Endpoint',
  dnsServers: 'DNS servers',
  network: 'Network',
  masquerade: 'Replace the addresses of devices with its own',
};

const valuesOf = ({
  name,
  description = '',
  wireguardPort,
  endpoint = '',
  masquerade = true,
  dnsServers = [],
  network = '',
}: Gateway): Values => ({
  name,
  description,
  wireguardPort: String(wireguardPort),
  endpoint,
  dnsServers: dnsServersText(dnsServers),
  network,
  masquerade,
});

const empty: Values = {
  ...{ name: '', description: '', wireguardPort: '51820', endpoint: '', dnsServers: '', network: '' },
  masquerade: true,
};

interface GatewayDialogProps {
  /** The gateway to change; left out: a new one is created. */
  readonly id?: string | undefined;
  readonly open: boolean;
  readonly onClose: () => void;
  readonly onDone?: (gateway: Gateway) => void;
}

/** Creates a gateway, or changes one. */
export function GatewayDialog({ id, open, onClose, onDone }: GatewayDialogProps) {
  const done = (gateway: Gateway) => {
    onClose();
    onDone?.(gateway);
  };
  return (
    <Dialog title={id === undefined ? 'New gateway' : 'Change gateway'} open={open} onClose={onClose}>
      {id === undefined ? (
        <GatewayForm onDone={done} />
      ) : (
        <Edit<'getGateway'> path={`/tenants/gateways/${id}`}>
          {(gateway) => <GatewayForm gateway={gateway} onDone={done} />}
        </Edit>
      )}
    </Dialog>
  );
}

interface GatewayFormProps {
  readonly gateway?: Versioned<Gateway>;
  readonly onDone: (gateway: Gateway) => void;
}

function GatewayForm({ gateway, onDone }: GatewayFormProps) {
  const form = useForm<Values>(
    labels,
    gateway === undefined ? empty : valuesOf(gateway.value),
    gateway?.version ?? null,
  );
  const id = gateway?.value.id;
  const write = ({ name, description, wireguardPort, endpoint, dnsServers, network, masquerade }: Values) => {
    const optional = (text: string) => (text === '' ? null : text);
    const body = {
      name,
      wireguardPort,
      description: optional(description),
      endpoint: optional(endpoint),
      dnsServers: readDnsServers(dnsServers),
      network: optional(network),
      masquerade,
    };
    return id === undefined
      ? {
          title: `Create ${name}`,
          direct: true,
          method: 'POST',
          path: '/tenants/gateways',
          body,
          verb: 'Create gateway',
          done: `Created ${name}.`,
        }
      : {
          title: `Change ${name}`,
          method: 'PATCH',
          path: `/tenants/gateways/${id}`,
          body,
          verb: 'Change gateway',
          done: `Changed ${name}.`,
        };
  };
  const reload = async () => {
    const { value, version } = await getVersioned<'getGateway'>(`/tenants/gateways/${id}`);
    return { value: valuesOf(value), version };
  };
  return (
    <Form
      form={form}
      verb={id === undefined ? 'Create gateway' : 'See what changes'}
      write={write}
      reload={reload}
      onDone={(answer) => onDone(answer as Gateway)}
    >
      <Field label={labels.name} {...form.field('name')} required maxLength={120} />
      <Field label={labels.description} {...form.field('description')} maxLength={1000} />
      <Field
        label={labels.wireguardPort}
        hint="Where it listens for WireGuard"
        inputMode="numeric"
        {...form.field('wireguardPort')}
        required
      />
      <Field
        label={labels.endpoint}
        hint="Host name or address at which devices reach it. Left empty, the controller discovers it."
        {...form.field('endpoint')}
      />
      <Field
        label={labels.dnsServers}
        hint="Resolvers of resource names, separated by commas: 10.0.0.53, 10.0.0.54:5353 corp.example. Left empty, those of its host."
        {...form.field('dnsServers')}
      />
      <Field
        label={labels.network}
        hint="Label of the private network in which it stands, such as berlin. Only needed when host names mean other servers there."
        {...form.field('network')}
        maxLength={63}
      />
      <label className="check">
        <input
          type="checkbox"
          checked={form.values.masquerade}
          onChange={(event) => form.set({ masquerade: event.target.checked })}
        />
        <span>{labels.masquerade}</span>
      </label>
    </Form>
  );
}

import type { Tenant } from '@sallyport/contract';
import { getVersioned, type Versioned } from '../data/api.ts';
import { Edit } from '../forms/edit.tsx';
import { Form, type Labels, useForm } from '../kit/form.tsx';
import { Choice, Field } from '../kit/kit.tsx';

interface Values {
  readonly name: string;
  readonly timeZone: string;
  readonly leaseSeconds: string;
  readonly drainSeconds: string;
  readonly mtu: string;
  readonly localNetwork: Tenant['localNetwork'];
  readonly otherNames: Tenant['otherNames'];
  readonly auditRetentionDays: string;
}

const labels: Labels<Values> = {
  name: 'Name',
  timeZone: 'Time zone',
  leaseSeconds: 'Lease, seconds',
  drainSeconds: 'Drain, seconds',
  mtu: 'MTU, bytes',
  localNetwork: 'Local network',
  otherNames: 'Other host names',
  auditRetentionDays: 'Audit events, days',
};

const valuesOf = (tenant: Tenant): Values => ({
  name: tenant.name,
  timeZone: tenant.timeZone,
  leaseSeconds: String(tenant.leaseSeconds),
  drainSeconds: String(tenant.drainSeconds),
  mtu: String(tenant.mtu),
  localNetwork: tenant.localNetwork,
  otherNames: tenant.otherNames,
  auditRetentionDays: tenant.auditRetentionDays === null ? '' : String(tenant.auditRetentionDays),
});

/** Settings of the tenant. Only the owner changes them. */
export function TenantSettings({ may }: { may: boolean }) {
  return (
    <section className="card" aria-labelledby="tenant">
      <header>
        <h2 id="tenant">Tenant</h2>
      </header>
      <div className="body">
        <Edit<'getTenant'> path="/tenants/settings">{(tenant) => <TenantForm tenant={tenant} may={may} />}</Edit>
      </div>
    </section>
  );
}

const reload = async (): Promise<Versioned<Values>> => {
  const { value, version } = await getVersioned<'getTenant'>('/tenants/settings');
  return { value: valuesOf(value), version };
};

function TenantForm({ tenant, may }: { tenant: Versioned<Tenant>; may: boolean }) {
  const form = useForm<Values>(labels, valuesOf(tenant.value), tenant.version);
  const number = (name: 'leaseSeconds' | 'drainSeconds' | 'mtu', hint: string) => (
    <Field label={labels[name]} hint={hint} inputMode="numeric" {...form.field(name)} disabled={!may} required />
  );
  return (
    <Form
      form={form}
      verb="See what changes"
      write={({ leaseSeconds, drainSeconds, mtu, auditRetentionDays, ...rest }) => ({
        title: 'Settings of the tenant',
        method: 'PATCH',
        path: '/tenants/settings',
        body: {
          ...rest,
          leaseSeconds: Number(leaseSeconds),
          drainSeconds: Number(drainSeconds),
          mtu: Number(mtu),
          auditRetentionDays: auditRetentionDays === '' ? null : Number(auditRetentionDays),
        },
        verb: 'Save settings',
        done: 'Saved the settings.',
      })}
      reload={reload}
      disabled={!may}
    >
      <Field label={labels.name} {...form.field('name')} disabled={!may} required maxLength={120} />
      <Field
        label={labels.timeZone}
        hint="Of admission rules that name none, such as Europe/Zurich"
        {...form.field('timeZone')}
        disabled={!may}
        required
      />
      {number('leaseSeconds', 'How long gateways go on without the controller')}
      {number('drainSeconds', 'How long flows may go on through a gateway in maintenance')}
      {number('mtu', 'Of a packet in the tunnel, 576 to 9000')}
      <Choice
        label={labels.localNetwork}
        hint="What a full tunnel leaves of private networks that a device is connected to"
        {...form.field('localNetwork')}
        disabled={!may}
      >
        <option value="CLOSED">Nothing</option>
        <option value="RESOLVERS">Name resolvers only</option>
        <option value="OPEN">Everything, such as printers</option>
      </Choice>
      <Choice
        label={labels.otherNames}
        hint="What gateways do when a device asks for a name that is no resource's"
        {...form.field('otherNames')}
        disabled={!may}
      >
        <option value="FORWARD">Ask their own resolvers</option>
        <option value="REFUSE">Refuse</option>
      </Choice>
      <Field
        label={labels.auditRetentionDays}
        hint="Older events are dropped. Left empty, they are kept for ever."
        inputMode="numeric"
        pattern="[0-9]*"
        {...form.field('auditRetentionDays')}
        disabled={!may}
      />
    </Form>
  );
}

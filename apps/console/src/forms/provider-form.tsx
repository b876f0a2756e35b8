import type { Group, Provider } from '@sallyport/contract';
import { getVersioned, type Versioned } from '../data/api.ts';
import { useRead } from '../data/queries.ts';
import { Form, type Labels, useForm } from '../kit/form.tsx';
import { Button, Choice, Dialog, Field, Skeleton } from '../kit/kit.tsx';
import { Edit } from './edit.tsx';

interface Values {
  readonly name: string;
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scopes: string;
  readonly groupsClaim: string;
  readonly groupMapping: readonly { readonly value: string; readonly group: string }[];
  readonly requiredGroup: string;
  readonly emailDomains: string;
  readonly hostedDomains: string;
  readonly entraTenants: string;
  readonly provisioning: boolean;
  readonly trustEmail: boolean;
  readonly requireAuthTime: boolean;
  readonly assuresSecondFactor: boolean;
  readonly enabled: boolean;
}

const labels: Labels<Values> = {
  name: 'Name',
  issuer: 'Issuer',
  clientId: 'Client id',
  clientSecret: 'Client secret',
  scopes: 'Scopes',
  groupsClaim: 'Groups claim',
  groupMapping: 'Groups',
  requiredGroup: 'Required value',
  emailDomains: 'E-mail domains',
  hostedDomains: 'Google organisations (hd)',
  entraTenants: 'Entra ID tenants (tid)',
  provisioning: 'Create an account at the first sign-in',
  trustEmail: 'Take addresses as verified although the provider does not say so',
  requireAuthTime: 'Count a sign-in as fresh only if the provider says when it was',
  assuresSecondFactor: 'It asks everybody for a second factor',
  enabled: 'People can sign in',
};

const empty: Values = {
  ...{ name: '', issuer: '', clientId: '', clientSecret: '', scopes: 'openid email profile', groupsClaim: '' },
  ...{ groupMapping: [], requiredGroup: '', emailDomains: '', hostedDomains: '', entraTenants: '' },
  ...{ provisioning: false, trustEmail: false, requireAuthTime: true, assuresSecondFactor: false, enabled: true },
};

const valuesOf = (provider: Provider): Values => ({
  name: provider.name,
  issuer: provider.issuer,
  clientId: provider.clientId,
  clientSecret: '',
  scopes: provider.scopes.join(' '),
  groupsClaim: provider.groupsClaim ?? '',
  groupMapping: provider.groupMapping.map(({ value, group }) => ({ value, group: group.id })),
  requiredGroup: provider.requiredGroup ?? '',
  emailDomains: provider.emailDomains.join(' '),
  hostedDomains: provider.hostedDomains.join(' '),
  entraTenants: provider.entraTenants.join(' '),
  provisioning: provider.provisioning,
  trustEmail: provider.trustEmail,
  requireAuthTime: provider.requireAuthTime,
  assuresSecondFactor: provider.assuresSecondFactor,
  enabled: provider.enabled,
});

const words = (text: string): string[] => text.split(/[\s,]+/).filter(Boolean);

function bodyOf(values: Values) {
  const { clientSecret, groupsClaim, requiredGroup, ...rest } = values;
  return {
    ...rest,
    ...(clientSecret === '' ? {} : { clientSecret }),
    scopes: words(values.scopes),
    emailDomains: words(values.emailDomains),
    hostedDomains: words(values.hostedDomains),
    entraTenants: words(values.entraTenants),
    groupsClaim: groupsClaim === '' ? null : groupsClaim,
    requiredGroup: requiredGroup === '' ? null : requiredGroup,
  };
}

interface ProviderDialogProps {
  /** The provider to change; left out: a new one is created. */
  readonly id?: string | undefined;
  readonly open: boolean;
  readonly onClose: () => void;
  readonly onMade: (provider: Provider) => void;
}

/** Creates a provider, or changes one. */
export function ProviderDialog({ id, open, onClose, onMade }: ProviderDialogProps) {
  const groups = useRead<'listGroups'>('group', '/tenants/groups?limit=500', open);
  return (
    <Dialog title={id === undefined ? 'New sign-in provider' : 'Change sign-in provider'} open={open} onClose={onClose}>
      {groups.data === undefined ? (
        <Skeleton lines={4} />
      ) : id === undefined ? (
        <ProviderForm groups={groups.data.data} onDone={(answer) => onMade(answer as Provider)} />
      ) : (
        <Edit<'getProvider'> path={`/tenants/sign-in-providers/${id}`}>
          {(provider) => <ProviderForm groups={groups.data.data} provider={provider} onDone={onClose} />}
        </Edit>
      )}
    </Dialog>
  );
}

interface ProviderFormProps {
  readonly groups: readonly Group[];
  readonly provider?: Versioned<Provider>;
  readonly onDone: (answer: unknown) => void;
}

function ProviderForm({ groups, provider, onDone }: ProviderFormProps) {
  const initial = provider === undefined ? empty : valuesOf(provider.value);
  const form = useForm<Values>(labels, initial, provider?.version ?? null);
  const id = provider?.value.id;
  const path = '/tenants/sign-in-providers';
  const write = (values: Values) => ({
    title: id === undefined ? `Create ${values.name}` : `Change ${values.name}`,
    ...(id === undefined ? { direct: true, method: 'POST', path } : { method: 'PATCH', path: `${path}/${id}` }),
    body: bodyOf(values),
    verb: id === undefined ? 'Create provider' : 'Change provider',
    done: id === undefined ? `Created ${values.name}.` : `Changed ${values.name}.`,
  });
  const reload = async () => {
    const { value, version } = await getVersioned<'getProvider'>(`${path}/${id}`);
    return { value: valuesOf(value), version };
  };
  const { values } = form;
  const check = (name: 'provisioning' | 'trustEmail' | 'requireAuthTime' | 'assuresSecondFactor' | 'enabled') => (
    <div className="field">
      <label className="check">
        <input
          type="checkbox"
          checked={values[name]}
          aria-invalid={form.error(name) !== undefined || undefined}
          onChange={({ target }) => form.set({ [name]: target.checked })}
        />
        {labels[name]}
      </label>
      {form.error(name) !== undefined && <p className="error">{form.error(name)}</p>}
    </div>
  );
  return (
    <Form
      form={form}
      verb={id === undefined ? 'Create provider' : 'See what changes'}
      write={write}
      reload={reload}
      onDone={onDone}
    >
      <Field label={labels.name} {...form.field('name')} required maxLength={80} />
      <Field
        label={labels.issuer}
        hint="As the provider writes it, such as https://id.example.com/realms/acme"
        inputMode="url"
        {...form.field('issuer')}
        required
      />
      <Field label={labels.clientId} {...form.field('clientId')} required maxLength={256} />
      <Field
        label={labels.clientSecret}
        type="password"
        autoComplete="off"
        hint={provider?.value.hasClientSecret === true ? 'Leave it empty to keep the present one' : undefined}
        {...form.field('clientSecret')}
        maxLength={1000}
      />
      <Field label={labels.scopes} hint="Separated by spaces" {...form.field('scopes')} />
      <fieldset className="stack">
        <legend className="muted small">Who may sign in</legend>
        <Field
          label={labels.emailDomains}
          hint="Verified addresses in these domains; empty: any"
          {...form.field('emailDomains')}
        />
        <Field label={labels.hostedDomains} hint="Needed with Google" {...form.field('hostedDomains')} />
        <Field
          label={labels.entraTenants}
          hint="Needed with the issuers “common” and “organizations”"
          {...form.field('entraTenants')}
        />
        {check('provisioning')}
        {check('trustEmail')}
      </fieldset>
      <fieldset className="stack">
        <legend className="muted small">Groups</legend>
        <Field label={labels.groupsClaim} hint="Such as groups, or realm_access.roles" {...form.field('groupsClaim')} />
        <Field
          label={labels.requiredGroup}
          hint="Only people with this value sign in; empty: all"
          {...form.field('requiredGroup')}
        />
        <Mapping groups={groups} rows={values.groupMapping} onChange={(groupMapping) => form.set({ groupMapping })} />
        {form.error('groupMapping') !== undefined && <p className="error">{form.error('groupMapping')}</p>}
      </fieldset>
      <fieldset className="stack">
        <legend className="muted small">Trust</legend>
        {check('assuresSecondFactor')}
        {check('requireAuthTime')}
        {check('enabled')}
      </fieldset>
    </Form>
  );
}

type Rows = Values['groupMapping'];

/** Values of the claim, and the group that each puts people into. */
function Mapping({ groups, rows, onChange }: { groups: readonly Group[]; rows: Rows; onChange: (rows: Rows) => void }) {
  const set = (at: number, part: Partial<Rows[number]>) =>
    onChange(rows.map((row, i) => (i === at ? { ...row, ...part } : row)));
  return (
    <>
      {rows.map((row, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: rows have no identity of their own
        <div key={at} className="row end">
          <Field
            label={`Value ${at + 1}`}
            value={row.value}
            onChange={({ target }) => set(at, { value: target.value })}
            required
          />
          <Choice label="joins" value={row.group} onChange={({ target }) => set(at, { group: target.value })}>
            {groups.map(({ id, name }) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
          </Choice>
          <Button look="plain" onClick={() => onChange(rows.filter((_, i) => i !== at))}>
            Remove<span className="visually-hidden"> value {at + 1}</span>
          </Button>
        </div>
      ))}
      <div className="row">
        <Button onClick={() => onChange([...rows, { value: '', group: groups[0]?.id ?? '' }])}>Map a value</Button>
      </div>
    </>
  );
}

import type { Policy } from '@sallyport/contract';
import { useEffect, useRef } from 'react';
import { getVersioned, type Versioned } from '../data/api.ts';
import { useRead } from '../data/queries.ts';
import { Form, type FormState, type Labels, useForm } from '../kit/form.tsx';
import { Choice, Dialog, Field } from '../kit/kit.tsx';
import { type Picked, Picker } from '../kit/picker.tsx';
import { Edit } from './edit.tsx';

type Who = 'EVERYONE' | 'DEVICES' | 'CHOSEN';

/** What the form of a policy holds. */
export interface PolicyValues {
  readonly name: string;
  readonly description: string;
  readonly action: 'allow' | 'deny';
  readonly who: Who;
  readonly groups: readonly Picked[];
  readonly users: readonly Picked[];
  readonly devices: readonly Picked[];
  readonly where: 'ALL' | 'CHOSEN';
  readonly resources: readonly Picked[];
  readonly rule: string;
}

const labels: Labels<PolicyValues> = {
  name: 'Name',
  description: 'Description',
  action: 'Action',
  who: 'Who',
  groups: 'Groups',
  users: 'Users',
  devices: 'Devices',
  where: 'Where',
  resources: 'Resources',
  rule: 'Only if',
};

const empty: PolicyValues = {
  name: '',
  description: '',
  action: 'allow',
  who: 'EVERYONE',
  groups: [],
  users: [],
  devices: [],
  where: 'ALL',
  resources: [],
  rule: '',
};

const names = (objects: readonly { id: string; name: string }[] | undefined): readonly Picked[] =>
  (objects ?? []).map(({ id, name }) => ({ id, name }));

function valuesOf(policy: Policy): PolicyValues {
  const { name, description = '', action, allUsers, allGroups, allDevices, allResources, rule } = policy;
  return {
    name,
    description,
    action: action ? 'allow' : 'deny',
    who: allDevices ? 'DEVICES' : allUsers || allGroups ? 'EVERYONE' : 'CHOSEN',
    groups: names(policy.groups),
    users: (policy.users ?? []).map(({ id, email }) => ({ id, name: email ?? id })),
    devices: names(policy.devices),
    where: allResources ? 'ALL' : 'CHOSEN',
    resources: names(policy.resources),
    rule: rule?.type === 'CUSTOM' ? rule.id : '',
  };
}

const kinds = ['groups', 'users', 'devices'] as const;

interface PolicyDialogProps {
  /** The policy to change; left out: a new one is created. */
  readonly id?: string | undefined;
  /** Values of a new policy; for an existing one, what is added to its lists. */
  readonly draft?: Partial<PolicyValues> | undefined;
  readonly open: boolean;
  readonly onClose: () => void;
}

/** Creates a policy for private resources, or changes one. */
export function PolicyDialog({ id, draft, open, onClose }: PolicyDialogProps) {
  return (
    <Dialog title={id === undefined ? 'New policy' : 'Change policy'} open={open} onClose={onClose}>
      {id === undefined ? (
        <PolicyForm draft={draft} onDone={onClose} />
      ) : (
        <Edit<'getPolicy'> path={`/tenants/policies/${id}`}>
          {(policy) => <PolicyForm policy={policy} draft={draft} onDone={onClose} />}
        </Edit>
      )}
    </Dialog>
  );
}

interface PolicyFormProps {
  readonly policy?: Versioned<Policy>;
  readonly draft?: Partial<PolicyValues> | undefined;
  readonly onDone: () => void;
}

function PolicyForm({ policy, draft, onDone }: PolicyFormProps) {
  const rules = useRead<'listAdmissionRules'>('admission-rule', '/tenants/admission-rules');
  const initial = policy === undefined ? { ...empty, ...draft } : valuesOf(policy.value);
  const form = useForm<PolicyValues>(labels, initial, policy?.version ?? null, {
    allUsers: 'who',
    allDevices: 'who',
    allGroups: 'who',
    allResources: 'where',
  });
  const { values, set } = form;
  const id = policy?.value.id;
  useDraft(policy === undefined ? undefined : draft, form);
  // A policy can name people and devices beside everybody. They stay on the screen, so that nothing is lost unseen.
  const shownKinds = kinds.filter((kind) => values[kind].length > 0);
  const reload = async () => {
    const { value, version } = await getVersioned<'getPolicy'>(`/tenants/policies/${id}`);
    return { value: valuesOf(value), version };
  };
  return (
    <Form
      form={form}
      verb="See what changes"
      write={(now) => writeOf(now, policy?.value, rules.data?.find(({ type }) => type === 'ALLOW')?.id)}
      reload={reload}
      show={(name, value) => shown(value, name === 'rule' ? rules.data : undefined)}
      onDone={onDone}
    >
      <Field label={labels.name} {...form.field('name')} required maxLength={120} />
      <Field label={labels.description} {...form.field('description')} maxLength={1000} />
      <Choice label={labels.action} {...form.field('action')}>
        <option value="allow">Allow</option>
        <option value="deny">Deny</option>
      </Choice>
      <Choice label={labels.who} {...form.field('who')}>
        <option value="EVERYONE">Everybody</option>
        <option value="DEVICES">All devices, also without an owner</option>
        <option value="CHOSEN">Chosen groups, users and devices</option>
      </Choice>
      {(values.who === 'CHOSEN' || shownKinds.length > 0) && (
        <div className="inset stack">
          {(values.who === 'CHOSEN' ? kinds : shownKinds).map((kind) => (
            <Picker
              key={kind}
              label={labels[kind]}
              kind={kind.slice(0, -1) as 'group'}
              chosen={values[kind]}
              onChange={(chosen) => set({ [kind]: chosen })}
              error={form.error(kind)}
            />
          ))}
        </div>
      )}
      <Choice label={labels.where} {...form.field('where')}>
        <option value="ALL">All resources</option>
        <option value="CHOSEN">Chosen resources</option>
      </Choice>
      {values.where === 'CHOSEN' && (
        <div className="inset">
          <Picker
            label={labels.resources}
            kind="resource"
            chosen={values.resources}
            onChange={(resources) => set({ resources })}
            error={form.error('resources')}
          />
        </div>
      )}
      {values.action === 'allow' && (
        <Choice
          label={labels.rule}
          hint="An admission rule about the person, device, place or time"
          {...form.field('rule')}
        >
          <option value="">Always</option>
          {(rules.data ?? [])
            .filter(({ type }) => type === 'CUSTOM')
            .map((one) => (
              <option key={one.id} value={one.id}>
                {one.name}
              </option>
            ))}
        </Choice>
      )}
    </Form>
  );
}

/** Adds what a draft names to the lists of an existing policy, once. */
function useDraft(draft: Partial<PolicyValues> | undefined, { values, set }: FormState<PolicyValues>): void {
  const added = useRef(false);
  useEffect(() => {
    if (draft === undefined || added.current) return;
    added.current = true;
    const lists = kinds.flatMap((kind) => {
      const more = draft[kind];
      return more === undefined ? [] : [[kind, [...values[kind], ...more]] as const];
    });
    set({ ...draft, ...Object.fromEntries(lists) });
  });
}

function writeOf(values: PolicyValues, policy: Policy | undefined, always: string | undefined) {
  const { name, description, action, who, where, rule } = values;
  const ids = (picked: readonly Picked[]) => picked.map(({ id }) => id);
  const everyGroup = policy?.allGroups === true && !policy.allUsers;
  const given = action === 'allow' && rule !== '' ? rule : undefined;
  const body = {
    name,
    description: description === '' ? null : description,
    action: action === 'allow',
    allUsers: who === 'EVERYONE' && !everyGroup,
    allGroups: who === 'EVERYONE' && everyGroup,
    allDevices: who === 'DEVICES',
    allResources: where === 'ALL',
    groups: ids(values.groups),
    users: ids(values.users),
    devices: ids(values.devices),
    resources: where === 'CHOSEN' ? ids(values.resources) : [],
  };
  return policy === undefined
    ? {
        title: `Create ${name}`,
        method: 'POST',
        path: '/tenants/policies',
        body: { ...body, type: 'PRIVATE', ...(given === undefined ? {} : { rule: given }) },
        verb: 'Create policy',
        done: `Created ${name}.`,
      }
    : {
        title: `Change ${name}`,
        method: 'PATCH',
        path: `/tenants/policies/${policy.id}`,
        body: { ...body, rule: given ?? (action === 'deny' ? policy.rule?.id : always) },
        verb: 'Change policy',
        done: `Changed ${name}.`,
      };
}

const words: Readonly<Record<string, string>> = {
  EVERYONE: 'everybody',
  DEVICES: 'all devices',
  CHOSEN: 'chosen ones',
  ALL: 'all resources',
};

function shown(value: unknown, rules: readonly { id: string; name: string }[] | undefined): string {
  if (rules !== undefined) return rules.find(({ id }) => id === value)?.name ?? 'always';
  if (Array.isArray(value)) return value.map(({ name }) => name).join(', ');
  return words[String(value)] ?? String(value);
}

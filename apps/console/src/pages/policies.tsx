import type { Policy } from '@sallyport/contract';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { messageOf } from '../data/api.ts';
import { mayWrite, useRead } from '../data/queries.ts';
import { Button, Choice, Dialog, Empty, Field, Skeleton, Status } from '../kit/kit.tsx';
import { PlanDialog, type PlannedWrite } from '../kit/plan.tsx';
import { useSignedIn } from '../shell/me.ts';

const types: { type: Policy['type']; text: string }[] = [
  { type: 'PRIVATE', text: 'Private' },
  { type: 'INTERNET', text: 'Internet' },
  { type: 'SITETOSITE', text: 'Site to site' },
  { type: 'SAAS', text: 'SaaS' },
];

/** Policies in order: the first that matches decides. */
export function PoliciesPage() {
  const me = useSignedIn();
  const { type = 'PRIVATE' } = useSearch({ strict: false }) as { type?: Policy['type'] };
  const navigate = useNavigate();
  const [creating, setCreating] = useState(false);
  const [write, setWrite] = useState<PlannedWrite | null>(null);
  const { data, error } = useRead<'listPolicies'>('policy', '/tenants/policies');
  if (error !== null && data === undefined) return <p className="note bad">{messageOf(error)}</p>;
  if (data === undefined) return <Skeleton />;
  const shown = data.filter((policy) => policy.type === type).sort((a, b) => a.order - b.order);
  const own = shown.filter(({ isDefault }) => !isDefault);
  const move = async (policy: Policy, by: -1 | 1) => {
    const ids = own.map(({ id }) => id);
    const from = ids.indexOf(policy.id);
    const to = from + by;
    if (to < 0 || to >= ids.length) return;
    ids.splice(to, 0, ...ids.splice(from, 1));
    setWrite({
      title: `Move ${policy.name} ${by === -1 ? 'up' : 'down'}`,
      method: 'PATCH',
      path: '/tenants/policies/reorder',
      body: { type, policies: ids },
      verb: 'Move policy',
      done: `Moved ${policy.name}.`,
    });
  };
  return (
    <>
      <div className="head">
        <h1>Policies</h1>
        {mayWrite(me) && type === 'PRIVATE' && (
          <Button look="primary" onClick={() => setCreating(true)}>
            New policy
          </Button>
        )}
      </div>
      <nav className="row" aria-label="Types of policy">
        {types.map(({ type: one, text }) => (
          <Button
            key={one}
            look={one === type ? 'primary' : ''}
            aria-pressed={one === type}
            onClick={() => void navigate({ search: { type: one } } as never)}
          >
            {text}
          </Button>
        ))}
      </nav>
      <p className="muted">From top to bottom, the first policy that matches decides. What none allows is denied.</p>
      <div className="card">
        {shown.length === 0 ? (
          <Empty title="No policy of this type">Without one, no device reaches anything of this kind.</Empty>
        ) : (
          <ol>
            {shown.map((policy) => (
              <PolicyRow
                key={policy.id}
                policy={policy}
                write={mayWrite(me) && !policy.isDefault}
                onMove={(by) => void move(policy, by)}
                onDelete={() =>
                  setWrite({
                    title: `Delete ${policy.name}`,
                    method: 'DELETE',
                    path: `/tenants/policies/${policy.id}`,
                    verb: 'Delete policy',
                    done: `Deleted ${policy.name}.`,
                    danger: true,
                  })
                }
              />
            ))}
          </ol>
        )}
      </div>
      <NewPolicy open={creating} onClose={() => setCreating(false)} onPlan={setWrite} />
      <PlanDialog write={write} onClose={() => setWrite(null)} onDone={() => setCreating(false)} />
    </>
  );
}

function PolicyRow({
  policy,
  write,
  onMove,
  onDelete,
}: {
  policy: Policy;
  write: boolean;
  onMove: (by: -1 | 1) => void;
  onDelete: () => void;
}) {
  return (
    <li
      className="policy"
      onKeyDown={(event) => {
        if (!write || !event.altKey || (event.key !== 'ArrowUp' && event.key !== 'ArrowDown')) return;
        event.preventDefault();
        onMove(event.key === 'ArrowUp' ? -1 : 1);
      }}
    >
      <div className="grow stack tight">
        <div className="row">
          <Status meaning={policy.action ? 'good' : 'bad'}>{policy.action ? 'Allow' : 'Deny'}</Status>
          <strong>{policy.name}</strong>
          {policy.isDefault && <span className="chip">default</span>}
          {policy.mode !== undefined && <span className="chip">{policy.mode.toLowerCase().replaceAll('_', ' ')}</span>}
        </div>
        <p className="muted">
          {who(policy)} → {where(policy)}
          {policy.rule !== undefined && policy.rule.type === 'CUSTOM' && <> · only if “{policy.rule.name}”</>}
        </p>
      </div>
      {write && (
        <span className="row nowrap">
          <Button look="plain" onClick={() => onMove(-1)} aria-label={`Move ${policy.name} up`}>
            ↑
          </Button>
          <Button look="plain" onClick={() => onMove(1)} aria-label={`Move ${policy.name} down`}>
            ↓
          </Button>
          <Button look="plain" onClick={onDelete}>
            Delete<span className="visually-hidden"> {policy.name}</span>
          </Button>
        </span>
      )}
    </li>
  );
}

function who(policy: Policy): string {
  const parts = [
    policy.allUsers ? 'everybody' : '',
    policy.allGroups ? 'all groups' : '',
    policy.allDevices ? 'all devices' : '',
    ...(policy.groups ?? []).map(({ name }) => name),
    ...(policy.users ?? []).map(({ email }) => email ?? ''),
    ...(policy.devices ?? []).map(({ name }) => name),
    ...(policy.sourceIps ?? []),
  ];
  return some(parts, 'nobody');
}

const where = (policy: Policy): string =>
  policy.type === 'INTERNET'
    ? some(
        (policy.gateways ?? []).map(({ name }) => name),
        'the internet',
      )
    : policy.allResources
      ? 'all resources'
      : some(
          (policy.resources ?? []).map(({ name }) => name),
          'nothing',
        );

function some(given: readonly string[], none: string): string {
  const parts = given.filter((part) => part !== '');
  if (parts.length === 0) return none;
  return parts.length <= 3 ? parts.join(', ') : `${parts.slice(0, 3).join(', ')} and ${parts.length - 3} more`;
}

function NewPolicy({
  open,
  onClose,
  onPlan,
}: {
  open: boolean;
  onClose: () => void;
  onPlan: (write: PlannedWrite) => void;
}) {
  return (
    <Dialog title="New policy" open={open} onClose={onClose}>
      <PolicyForm onClose={onClose} onPlan={onPlan} />
    </Dialog>
  );
}

function PolicyForm({ onClose, onPlan }: { onClose: () => void; onPlan: (write: PlannedWrite) => void }) {
  const groups = useRead<'listGroups'>('group', '/tenants/groups?limit=100');
  const users = useRead<'listUsers'>('user', '/tenants/users?limit=100');
  const devices = useRead<'listDevices'>('device', '/tenants/devices?limit=100');
  const resources = useRead<'listResources'>('resource', '/tenants/resources?limit=100');
  const rules = useRead<'listAdmissionRules'>('admission-rule', '/tenants/admission-rules');
  const [name, setName] = useState('');
  const [action, setAction] = useState('allow');
  const [subject, setSubject] = useState('allUsers');
  const [resource, setResource] = useState('');
  const [rule, setRule] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const [kind = '', id = ''] = subject.split(' ');
    const body = {
      name,
      action: action === 'allow',
      type: 'PRIVATE',
      allUsers: kind === 'allUsers',
      allDevices: kind === 'allDevices',
      ...(kind === 'group'
        ? { groups: [id] }
        : kind === 'user'
          ? { users: [id] }
          : kind === 'device'
            ? { devices: [id] }
            : {}),
      ...(resource === '' ? { allResources: true } : { resources: [resource] }),
      ...(rule === '' ? {} : { rule }),
    };
    onPlan({
      title: `Create ${name}`,
      method: 'POST',
      path: '/tenants/policies',
      body,
      verb: 'Create policy',
      done: `Created ${name}.`,
    });
  };
  return (
    <form className="stack" onSubmit={submit}>
      <Field label="Name" value={name} onChange={(event) => setName(event.target.value)} required maxLength={120} />
      <Choice label="Action" value={action} onChange={(event) => setAction(event.target.value)}>
        <option value="allow">Allow</option>
        <option value="deny">Deny</option>
      </Choice>
      <Choice label="Who" value={subject} onChange={(event) => setSubject(event.target.value)}>
        <option value="allUsers">Everybody</option>
        <option value="allDevices">All devices, also without an owner</option>
        <optgroup label="Groups">
          {(groups.data?.data ?? []).map((one) => (
            <option key={one.id} value={`group ${one.id}`}>
              {one.name}
            </option>
          ))}
        </optgroup>
        <optgroup label="Users">
          {(users.data?.data ?? []).map((one) => (
            <option key={one.id} value={`user ${one.id}`}>
              {one.email}
            </option>
          ))}
        </optgroup>
        <optgroup label="Devices">
          {(devices.data?.data ?? []).map((one) => (
            <option key={one.id} value={`device ${one.id}`}>
              {one.name}
            </option>
          ))}
        </optgroup>
      </Choice>
      <Choice label="Where" value={resource} onChange={(event) => setResource(event.target.value)}>
        <option value="">All resources</option>
        {(resources.data?.data ?? []).map((one) => (
          <option key={one.id} value={one.id}>
            {one.name}
          </option>
        ))}
      </Choice>
      {action === 'allow' && (
        <Choice label="Only if" value={rule} onChange={(event) => setRule(event.target.value)}>
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
      <footer className="row">
        <Button onClick={onClose}>Cancel</Button>
        <Button type="submit" look="primary">
          See what changes
        </Button>
      </footer>
    </form>
  );
}

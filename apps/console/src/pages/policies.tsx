import type { Policy } from '@sallyport/contract';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { messageOf } from '../data/api.ts';
import { mayWrite, useRead } from '../data/queries.ts';
import { PolicyDialog } from '../forms/policy-form.tsx';
import { Button, Empty, Skeleton, Status } from '../kit/kit.tsx';
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
      <PolicyDialog open={creating} onClose={() => setCreating(false)} />
      <PlanDialog write={write} onClose={() => setWrite(null)} />
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

import type { Policy } from '@sallyport/contract';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { type DragEvent, type KeyboardEvent, type MouseEvent, useCallback, useState } from 'react';
import { messageOf } from '../data/api.ts';
import { mayWrite, useRead } from '../data/queries.ts';
import { PolicyDialog } from '../forms/policy-form.tsx';
import { Button, Empty, Skeleton, Status } from '../kit/kit.tsx';
import { deletionOf, PlanDialog, type PlannedWrite } from '../kit/plan.tsx';
import { SidePanel } from '../list/side-panel.tsx';
import { where, who } from '../lists/policy-words.ts';
import { shadowOf } from '../object/shadow.ts';
import { useSignedIn } from '../shell/me.ts';
import { PolicyObject } from './policy.tsx';
import './policies.css';

const types: { type: Policy['type']; text: string }[] = [
  { type: 'PRIVATE', text: 'Private' },
  { type: 'INTERNET', text: 'Internet' },
  { type: 'SITETOSITE', text: 'Site to site' },
  { type: 'SAAS', text: 'SaaS' },
];

/** Policies in order: the first that matches decides. */
export function PoliciesPage() {
  const me = useSignedIn();
  const { type = 'PRIVATE', id = null, q = '' } = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const [creating, setCreating] = useState(false);
  const [write, setWrite] = useState<PlannedWrite | null>(null);
  const { data, error } = useRead<'listPolicies'>('policy', '/tenants/policies');
  const go = useCallback(
    (changes: Search) => void navigate({ search: (now: object) => ({ ...now, ...changes }), replace: true } as never),
    [navigate],
  );
  const all = (data ?? []).filter((policy) => policy.type === type).sort((a, b) => a.order - b.order);
  const shown = all.filter((policy) => fits(policy, String(q)));
  const own = all.filter(({ isDefault }) => !isDefault);
  /** Moves a policy to the place of another policy. */
  const move = (policy: Policy, to: number) => {
    const ids = own.map((one) => one.id);
    const from = ids.indexOf(policy.id);
    if (from === -1 || from === to || to < 0 || to >= ids.length) return;
    ids.splice(to, 0, ...ids.splice(from, 1));
    setWrite({
      title: `Move ${policy.name} ${to < from ? 'up' : 'down'}`,
      method: 'PATCH',
      path: '/tenants/policies/reorder',
      body: { type, policies: ids },
      verb: 'Move policy',
      done: `Moved ${policy.name}.`,
    });
  };
  const close = useCallback(() => go({ id: undefined }), [go]);
  const step = (by: number) => {
    const next = shown[shown.findIndex((policy) => policy.id === id) + by];
    if (next !== undefined) go({ id: next.id });
  };
  if (error !== null && data === undefined) return <p className="note bad">{messageOf(error)}</p>;
  if (data === undefined) return <Skeleton />;
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
      <div className="row">
        <nav className="row" aria-label="Types of policy">
          {types.map(({ type: one, text }) => (
            <Button
              key={one}
              look={one === type ? 'primary' : ''}
              aria-pressed={one === type}
              onClick={() => go({ type: one, id: undefined })}
            >
              {text} {data.filter((policy) => policy.type === one).length}
            </Button>
          ))}
        </nav>
        <span className="grow" />
        <input
          className="input policy-search"
          type="search"
          aria-label="Search policies"
          placeholder="Search policies"
          value={String(q)}
          onChange={(event) => go({ q: event.target.value || undefined })}
        />
      </div>
      <p className="muted">From top to bottom, the first policy that matches decides. What none allows is denied.</p>
      <div className="card">
        {all.length === 0 && (
          <Empty title="No policy of this type">Without one, no device reaches anything of this kind.</Empty>
        )}
        {all.length > 0 && shown.length === 0 && (
          <Empty title="No policy fits" action={<Button onClick={() => go({ q: undefined })}>Clear search</Button>} />
        )}
        <ol className="policies">
          {shown.map((policy) => (
            <PolicyRow
              key={policy.id}
              policy={policy}
              place={all.indexOf(policy)}
              shadow={shadowOf(policy, all.slice(0, all.indexOf(policy)))}
              write={mayWrite(me) && !policy.isDefault}
              current={policy.id === id}
              onOpen={() => go({ id: policy.id })}
              onMove={(to) => move(policy, to)}
              onDrop={(dropped) => {
                const moved = own.find((one) => one.id === dropped);
                if (moved !== undefined) move(moved, own.indexOf(policy) === -1 ? own.length - 1 : own.indexOf(policy));
              }}
              onDelete={() => setWrite(deletionOf('policy', policy.name, `/tenants/policies/${policy.id}`))}
            />
          ))}
        </ol>
      </div>
      {id !== null && (
        <SidePanel label="policy" onClose={close} onStep={step}>
          <PolicyObject id={id} page={`/policies/${id}`} />
        </SidePanel>
      )}
      <PolicyDialog open={creating} onClose={() => setCreating(false)} />
      <PlanDialog write={write} onClose={() => setWrite(null)} />
    </>
  );
}

interface Search {
  readonly type?: Policy['type'];
  readonly id?: string | undefined;
  readonly q?: string | number | undefined;
}

const fits = (policy: Policy, q: string): boolean =>
  [policy.name, policy.description ?? '', who(policy), where(policy)].some((text) =>
    text.toLowerCase().includes(q.trim().toLowerCase()),
  );

interface PolicyRowProps {
  readonly policy: Policy;
  readonly place: number;
  readonly shadow: Policy | null;
  readonly write: boolean;
  readonly current: boolean;
  readonly onOpen: () => void;
  readonly onMove: (to: number) => void;
  readonly onDrop: (id: string) => void;
  readonly onDelete: () => void;
}

function PolicyRow(props: PolicyRowProps) {
  const { policy, place, shadow, write, current, onOpen, onMove, onDelete } = props;
  const { over, ...drag } = useDrag(props);
  const keys = (event: KeyboardEvent) => {
    if (!write || !event.altKey || (event.key !== 'ArrowUp' && event.key !== 'ArrowDown')) return;
    event.preventDefault();
    onMove(place + (event.key === 'ArrowUp' ? -1 : 1));
  };
  const click = (event: MouseEvent) => {
    if (event.ctrlKey || event.metaKey || (event.target as Element).closest('button') !== null) return;
    event.preventDefault();
    onOpen();
  };
  return (
    <li
      className={`policy ${over ? 'over' : ''}`}
      aria-current={current || undefined}
      onKeyDown={keys}
      onClick={click}
      {...drag}
    >
      <span className="policy-place num" aria-hidden="true">
        {write ? <span className="policy-grip">⠿</span> : ''} {place + 1}
      </span>
      <Status meaning={policy.action ? 'good' : 'bad'}>{policy.action ? 'Allow' : 'Deny'}</Status>
      <div className="policy-name">
        <strong>
          <a href={`?id=${policy.id}`}>{policy.name}</a>
        </strong>
        {policy.isDefault && <span className="chip">default</span>}
        {policy.mode !== undefined && <span className="chip">{policy.mode.toLowerCase().replaceAll('_', ' ')}</span>}
        {shadow !== null && (
          <Status meaning="warn">
            <span className="small">decides nothing: {shadow.name} above matches first</span>
          </Status>
        )}
      </div>
      <p className="policy-who">
        <span className="visually-hidden">Who: </span>
        {who(policy)}
      </p>
      <p className="policy-where">
        <span aria-hidden="true">→ </span>
        <span className="visually-hidden">Where: </span>
        {where(policy)}
        {policy.rule?.type === 'CUSTOM' && <span className="muted"> only if “{policy.rule.name}”</span>}
      </p>
      {write && (
        <span className="row nowrap policy-buttons">
          <Button look="plain" onClick={() => onMove(place - 1)} aria-label={`Move ${policy.name} up`}>
            ↑
          </Button>
          <Button look="plain" onClick={() => onMove(place + 1)} aria-label={`Move ${policy.name} down`}>
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

/** Type of what is dragged, so that nothing else is taken for a policy. */
const dragType = 'application/x-sallyport-policy';

/** Lets a policy be dragged, and be dropped on. */
function useDrag({ policy, write, onDrop }: PolicyRowProps) {
  const [over, setOver] = useState(false);
  return {
    over,
    draggable: write,
    onDragStart: (event: DragEvent) => {
      event.dataTransfer.setData(dragType, policy.id);
      event.dataTransfer.effectAllowed = 'move';
    },
    onDragOver: (event: DragEvent) => {
      if (!event.dataTransfer.types.includes(dragType)) return;
      event.preventDefault();
      setOver(true);
    },
    onDragLeave: () => setOver(false),
    onDrop: (event: DragEvent) => {
      event.preventDefault();
      setOver(false);
      onDrop(event.dataTransfer.getData(dragType));
    },
  };
}

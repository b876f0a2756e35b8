import type { Policy } from '@sallyport/contract';
import { useNavigate, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { mayWrite, useRead } from '../data/queries.ts';
import { PolicyDialog } from '../forms/policy-form.tsx';
import { Ago, Button, Status } from '../kit/kit.tsx';
import { deletionOf, PlanDialog, type PlannedWrite } from '../kit/plan.tsx';
import { policyYaml } from '../object/declared.ts';
import { Loading, ObjectFrame } from '../object/frame.tsx';
import { shadowOf } from '../object/shadow.ts';
import { useSignedIn } from '../shell/me.ts';
import { PageLink } from '../shell/page-link.tsx';

/** One policy on a page of its own. */
export function PolicyPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  return <PolicyObject id={id} />;
}

/** One policy: who, where and when it matches. `page`: where it can be seen alone. */
export function PolicyObject({ id, page }: { id: string; page?: string }) {
  const { data: policy, error } = useRead<'getPolicy'>('policy', `/tenants/policies/${id}`);
  const all = useRead<'listPolicies'>('policy', '/tenants/policies');
  if (policy === undefined) return <Loading error={error} />;
  const above = (all.data ?? []).filter(({ type, order }) => type === policy.type && order < policy.order);
  const shadow = shadowOf(policy, above);
  return (
    <ObjectFrame
      id={id}
      name={policy.name}
      page={page}
      status={<Status meaning={policy.action ? 'good' : 'bad'}>{policy.action ? 'Allow' : 'Deny'}</Status>}
      actions={policy.isDefault ? undefined : <Actions policy={policy} />}
      commands={[
        { about: 'Show it', line: `sally policies get ${id}` },
        ...(policy.isDefault
          ? []
          : [
              { about: 'Move it to the top', line: `sally policies move ${id} --top` },
              { about: 'See what its deletion changes', line: `sally policies delete ${id} --dry-run` },
            ]),
      ]}
      yaml={policyYaml(policy)}
    >
      {shadow !== null && (
        <p className="note warn">
          It decides nothing: <PageLink to={`/policies/${shadow.id}`}>{shadow.name}</PageLink> above matches everything
          that it matches.
        </p>
      )}
      <Facts policy={policy} />
    </ObjectFrame>
  );
}

function Actions({ policy }: { policy: Policy }) {
  const me = useSignedIn();
  const navigate = useNavigate();
  const [editing, setEditing] = useState(false);
  const [write, setWrite] = useState<PlannedWrite | null>(null);
  if (!mayWrite(me)) return null;
  return (
    <>
      {policy.type === 'PRIVATE' && <Button onClick={() => setEditing(true)}>Edit</Button>}
      <Button
        look="danger"
        onClick={() => setWrite(deletionOf('policy', policy.name, `/tenants/policies/${policy.id}`))}
      >
        Delete
      </Button>
      <PolicyDialog id={policy.id} open={editing} onClose={() => setEditing(false)} />
      <PlanDialog
        write={write}
        onClose={() => setWrite(null)}
        onDone={() => void navigate({ to: '/policies', search: { type: policy.type } } as never)}
      />
    </>
  );
}

const modes = {
  LOCAL: 'by the connection of the device itself',
  RESTRICTED: 'no internet at all',
  INTERNET_ACCESS_POINT: 'through gateways',
} as const;

function Facts({ policy }: { policy: Policy }) {
  return (
    <dl className="facts">
      {policy.description !== undefined && (
        <>
          <dt>Description</dt>
          <dd>{policy.description}</dd>
        </>
      )}
      <dt>Who</dt>
      <dd className="stack tight">
        {policy.allUsers && <span>everybody</span>}
        {policy.allGroups && <span>all groups</span>}
        {policy.allDevices && <span>all devices, also without an owner</span>}
        <Links page="/groups" all={policy.groups} />
        <Links page="/users" all={(policy.users ?? []).map(({ id, email }) => ({ id, name: email ?? id }))} />
        <Links page="/devices" all={policy.devices} />
        {(policy.sourceIps ?? []).map((source) => (
          <span key={source} className="num">
            {source}
          </span>
        ))}
      </dd>
      <dt>Where</dt>
      <dd className="stack tight">
        {policy.type === 'INTERNET' ? (
          <span>the internet, {policy.mode === undefined ? 'by any way' : modes[policy.mode]}</span>
        ) : policy.allResources ? (
          <span>all resources</span>
        ) : (
          <Links page="/resources" all={policy.resources} />
        )}
      </dd>
      {(policy.gateways ?? []).length > 0 && (
        <>
          <dt>Gateways</dt>
          <dd className="stack tight">
            <Links page="/gateways" all={policy.gateways} />
          </dd>
        </>
      )}
      <dt>Only if</dt>
      <dd>{policy.rule?.type === 'CUSTOM' ? policy.rule.name : <span className="muted">always</span>}</dd>
      <dt>Changed</dt>
      <dd>
        <Ago at={policy.updatedAt} />
      </dd>
    </dl>
  );
}

/** Names of objects that lead to their panels. */
const Links = ({ page, all = [] }: { page: string; all?: readonly { id: string; name: string }[] | undefined }) => (
  <>
    {all.map(({ id, name }) => (
      <PageLink key={id} to={page} search={{ id }}>
        {name}
      </PageLink>
    ))}
  </>
);

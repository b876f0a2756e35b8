import type { Resource, ResourceSummary } from '@sallyport/contract';
import { useNavigate, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { mayWrite, useRead } from '../data/queries.ts';
import { ResourceDialog } from '../forms/resource-form.tsx';
import { Ago, Button, Status } from '../kit/kit.tsx';
import { deletionOf, PlanDialog, type PlannedWrite } from '../kit/plan.tsx';
import { resourceYaml } from '../object/declared.ts';
import { Loading, ObjectFrame } from '../object/frame.tsx';
import { useSignedIn } from '../shell/me.ts';
import { PageLink } from '../shell/page-link.tsx';

/** How a resource stands, and why. */
export function ResourceStatus({
  resource: { status, unreachableReason },
}: {
  resource: Pick<ResourceSummary, 'status' | 'unreachableReason'>;
}) {
  if (unreachableReason !== undefined)
    return (
      <Status meaning="warn">
        <span title={unreachableReason}>{unreachableReason}</span>
      </Status>
    );
  if (status === undefined) return <Status meaning="off">No gateway</Status>;
  return status === 'ONLINE' ? <Status meaning="good">Reachable</Status> : <Status meaning="off">Offline</Status>;
}

/** One resource on a page of its own. */
export function ResourcePage() {
  const { id } = useParams({ strict: false }) as { id: string };
  return <ResourceObject id={id} />;
}

/** One resource: its addresses, and the gateways that carry it. `page`: where it can be seen alone. */
export function ResourceObject({ id, page }: { id: string; page?: string }) {
  const { data: resource, error } = useRead<'getResource'>('resource', `/tenants/resources/${id}`);
  if (resource === undefined) return <Loading error={error} />;
  return (
    <ObjectFrame
      id={id}
      name={resource.name}
      page={page}
      status={<ResourceStatus resource={resource} />}
      actions={<Actions resource={resource} />}
      commands={[
        { about: 'Show it', line: `sally resources get ${id}` },
        { about: 'Attach a gateway', line: `sally resources attach ${id} GATEWAY` },
        { about: 'See what its deletion changes', line: `sally resources delete ${id} --dry-run` },
      ]}
      yaml={resourceYaml(resource)}
    >
      <Facts resource={resource} />
    </ObjectFrame>
  );
}

function Actions({ resource }: { resource: Resource }) {
  const me = useSignedIn();
  const navigate = useNavigate();
  const [editing, setEditing] = useState(false);
  const [write, setWrite] = useState<PlannedWrite | null>(null);
  const remove = () => setWrite(deletionOf('resource', resource.name, `/tenants/resources/${resource.id}`));
  const single = resource.addresses.find(({ address }) => !address.startsWith('*'));
  const destination = single?.address.replace(/\/\d+$/, '');
  return (
    <>
      {destination !== undefined && (
        <PageLink className="button" to="/explain" search={{ destination }}>
          Explain access
        </PageLink>
      )}
      {mayWrite(me) && (
        <>
          <Button onClick={() => setEditing(true)}>Edit</Button>
          <Button look="danger" onClick={remove}>
            Delete
          </Button>
        </>
      )}
      <ResourceDialog id={resource.id} open={editing} onClose={() => setEditing(false)} />
      <PlanDialog
        write={write}
        onClose={() => setWrite(null)}
        onDone={() => void navigate({ to: '/resources', search: {} } as never)}
      />
    </>
  );
}

function Facts({
  resource: { addresses, gateways, names = [], type, description, loadBalancingMode, updatedAt, labels },
}: {
  resource: Resource;
}) {
  return (
    <dl className="facts">
      {description !== undefined && (
        <>
          <dt>Description</dt>
          <dd>{description}</dd>
        </>
      )}
      {labels !== undefined && (
        <>
          <dt>Labels</dt>
          <dd>{labels.join(', ')}</dd>
        </>
      )}
      <dt>Type</dt>
      <dd>{type === 'SAAS' ? 'SaaS' : 'Private'}</dd>
      <dt>Addresses</dt>
      <dd className="stack tight">
        {addresses.map(({ address, unicode, protocols }) => (
          <span key={address}>
            <span className="num">{unicode === undefined ? address : `${unicode} (${address})`}</span>{' '}
            <span className="muted">{protocols.map(({ name }) => name).join(', ')}</span>
          </span>
        ))}
      </dd>
      {names.length > 0 && (
        <>
          <dt>Names</dt>
          <dd className="stack tight">
            {names.map(({ address, gateway, resolves, answer }) => (
              <span key={`${gateway.id} ${address}`}>
                <Status meaning={resolves ? 'good' : 'warn'}>{answer}</Status>{' '}
                <span className="muted">at {gateway.name}</span>
              </span>
            ))}
          </dd>
        </>
      )}
      <dt>Gateways</dt>
      <dd className="stack tight">
        {gateways.length === 0 && <span className="muted">none: nothing carries it</span>}
        {gateways.map(({ id, name }) => (
          <PageLink key={id} to={`/gateways/${id}`}>
            {name}
          </PageLink>
        ))}
      </dd>
      {gateways.length > 1 && (
        <>
          <dt>Load balancing</dt>
          <dd>{loadBalancingMode === 'MANUAL' ? 'the first that is online' : loadBalancingMode.toLowerCase()}</dd>
        </>
      )}
      <dt>Changed</dt>
      <dd>
        <Ago at={updatedAt} />
      </dd>
    </dl>
  );
}

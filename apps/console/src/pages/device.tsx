import type { Device } from '@sallyport/contract';
import { useNavigate, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { mayWrite, useRead } from '../data/queries.ts';
import { DeviceDialog } from '../forms/device-form.tsx';
import { Ago, Button, Status } from '../kit/kit.tsx';
import { deletionOf, PlanDialog, type PlannedWrite } from '../kit/plan.tsx';
import { deviceMeanings } from '../lists/meanings.ts';
import { useFollow } from '../live/live.ts';
import { Loading, ObjectFrame } from '../object/frame.tsx';
import { useSignedIn } from '../shell/me.ts';
import { PageLink } from '../shell/page-link.tsx';

/** One device on a page of its own. */
export function DevicePage() {
  const { id } = useParams({ strict: false }) as { id: string };
  return <DeviceObject id={id} />;
}

/** One device: how it stands, whose it is, and its paths. `page`: where it can be seen alone. */
export function DeviceObject({ id, page }: { id: string; page?: string }) {
  const { data: device, error } = useRead<'getDevice'>('device', `/tenants/devices/${id}`);
  useFollow({ devices: [id], paths: device?.kind === 'NATIVE' ? [id] : [] });
  if (device === undefined) return <Loading error={error} />;
  return (
    <ObjectFrame
      id={id}
      name={device.name}
      page={page}
      status={<Status meaning={deviceMeanings[device.status]}>{device.status}</Status>}
      actions={<Actions device={device} />}
      commands={[
        { about: 'Show it', line: `sally devices get ${id}` },
        {
          about: device.active ? 'Deactivate it' : 'Reactivate it',
          line: `sally devices ${device.active ? 'deactivate' : 'reactivate'} ${id}`,
        },
        { about: 'See what its deletion changes', line: `sally devices delete ${id} --dry-run` },
      ]}
    >
      <Facts device={device} />
      {(device.paths ?? []).length > 0 && <Paths paths={device.paths ?? []} />}
    </ObjectFrame>
  );
}

function Actions({ device }: { device: Device }) {
  const me = useSignedIn();
  const navigate = useNavigate();
  const [editing, setEditing] = useState(false);
  const [write, setWrite] = useState<PlannedWrite | null>(null);
  const reactivate = () =>
    setWrite({
      title: `Reactivate ${device.name}`,
      method: 'POST',
      path: `/tenants/devices/${device.id}/reactivate`,
      verb: 'Reactivate device',
      done: `Reactivated ${device.name}.`,
    });
  const deactivate = () =>
    setWrite({
      title: `Deactivate ${device.name}`,
      method: 'PATCH',
      path: `/tenants/devices/${device.id}/deactivate`,
      verb: 'Deactivate device',
      done: `Deactivated ${device.name}.`,
      danger: true,
    });
  const remove = () => setWrite(deletionOf('device', device.name, `/tenants/devices/${device.id}`));
  return (
    <>
      <PageLink className="button" to="/explain" search={{ device: device.id }}>
        Explain access
      </PageLink>
      {mayWrite(me) && (
        <>
          <Button onClick={() => setEditing(true)}>Edit</Button>
          <Button onClick={device.active ? deactivate : reactivate}>
            {device.active ? 'Deactivate' : 'Reactivate'}
          </Button>
          <Button look="danger" onClick={remove}>
            Delete
          </Button>
        </>
      )}
      <DeviceDialog id={editing ? device.id : undefined} onClose={() => setEditing(false)} />
      <PlanDialog
        write={write}
        onClose={() => setWrite(null)}
        onDone={() => {
          if (write?.method === 'DELETE') void navigate({ to: '/devices', search: {} } as never);
        }}
      />
    </>
  );
}

function Facts({ device }: { device: Device }) {
  return (
    <dl className="facts">
      <dt>Owner</dt>
      <dd>
        {device.user === undefined ? (
          <span className="muted">none: only policies about devices apply</span>
        ) : (
          <PageLink to="/users" search={{ id: device.user.id }}>
            {device.user.email ?? device.user.id}
          </PageLink>
        )}
      </dd>
      {device.labels !== undefined && (
        <>
          <dt>Labels</dt>
          <dd>{device.labels.join(', ')}</dd>
        </>
      )}
      <dt>Kind</dt>
      <dd>{device.kind === 'NATIVE' ? 'Client' : 'WireGuard app'}</dd>
      <dt>Addresses</dt>
      <dd className="num">{(device.overlayAddresses ?? []).join(', ') || 'none yet'}</dd>
      <dt>Last connection</dt>
      <dd>
        <Ago at={device.lastConnection} />
      </dd>
      {device.sourceIp !== undefined && (
        <>
          <dt>Source</dt>
          <dd className="num">{[device.sourceIp, device.country].filter(Boolean).join(', ')}</dd>
        </>
      )}
      {device.entryGateway !== undefined && (
        <>
          <dt>Entry gateway</dt>
          <dd>
            <PageLink to={`/gateways/${device.entryGateway.id}`}>{device.entryGateway.name}</PageLink>
          </dd>
        </>
      )}
      {device.agent !== undefined && (
        <>
          <dt>Host</dt>
          <dd>
            {device.agent.hostname}, {device.agent.os} {device.agent.kernel}, client {device.agent.version}
          </dd>
        </>
      )}
      {device.publicKey !== undefined && (
        <>
          <dt>Public key</dt>
          <dd>
            <code>{device.publicKey}</code>
          </dd>
        </>
      )}
      <dt>Added</dt>
      <dd>
        <Ago at={device.createdAt} />
      </dd>
      {Object.entries(device.posture ?? {}).map(([fact, value]) => (
        <Fact key={fact} name={fact} value={value} />
      ))}
    </dl>
  );
}

const Fact = ({ name, value }: { name: string; value: unknown }) => (
  <>
    <dt>posture.{name}</dt>
    <dd>{typeof value === 'string' ? value : JSON.stringify(value)}</dd>
  </>
);

const via = { DIRECT: 'direct', RELAYED: 'through a relay', NONE: 'no path' } as const;

function Paths({ paths }: { paths: NonNullable<Device['paths']> }) {
  return (
    <section className="stack tight">
      <h3>Paths to gateways</h3>
      <ul className="stack tight">
        {paths.map((path) => (
          <li key={path.gateway.id} className="row between">
            <PageLink to={`/gateways/${path.gateway.id}`}>{path.gateway.name}</PageLink>
            <Status meaning={path.via === 'DIRECT' ? 'good' : path.via === 'RELAYED' ? 'warn' : 'off'}>
              {via[path.via]}
              {path.relay === undefined ? '' : ` ${path.relay.name}`}
              {path.rttMs === undefined ? '' : `, ${path.rttMs.toFixed(1)} ms`}
            </Status>
          </li>
        ))}
      </ul>
    </section>
  );
}

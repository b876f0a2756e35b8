import type { Gateway, Resource } from '@sallyport/contract';
import { useRead } from '../data/queries.ts';
import { Ago, Empty, plural, Skeleton, Status, words } from '../kit/kit.tsx';
import { useSignedIn } from '../shell/me.ts';
import { PageLink } from '../shell/page-link.tsx';
import { FirstSteps } from './first-steps.tsx';

/** Something that needs a person. */
interface Attention {
  readonly key: string;
  readonly meaning: 'bad' | 'warn';
  readonly to: string;
  readonly object: string;
  readonly what: string;
  readonly since?: string | undefined;
}

/** What needs attention, how large the tenant is, and what changed last. */
export function OverviewPage() {
  const me = useSignedIn();
  const gateways = useRead<'listGateways'>('gateway', '/tenants/gateways');
  // Whether devices are online is a statistic: no change tells of it.
  const devices = useRead<'listDevices'>('device', '/tenants/devices?limit=100', true, 10_000);
  const resources = useRead<'listResources'>('resource', '/tenants/resources?limit=100');
  const users = useRead<'listUsers'>('user', '/tenants/users?limit=1');
  const policies = useRead<'listPolicies'>('policy', '/tenants/policies');
  if (gateways.data === undefined || resources.data === undefined || devices.data === undefined) return <Skeleton />;
  const attention = [...gateways.data.flatMap(gatewayAttention), ...resources.data.data.flatMap(resourceAttention)];
  const online = devices.data.data.filter(({ status }) => status === 'Online').length;
  return (
    <>
      <div className="head">
        <h1>{sentence(gateways.data, attention)}</h1>
      </div>
      <FirstSteps
        gateways={gateways.data}
        resources={resources.data.data}
        devices={devices.data.data}
        policies={policies.data ?? []}
      />
      {attention.length > 0 && <Inbox items={attention} />}
      <div className="figures">
        <Figure count={gateways.data.length} what="gateway" to="/gateways" />
        <Figure count={devices.data.total} what="device" to="/devices" more={`${online} online`} />
        <Figure count={resources.data.total} what="resource" to="/resources" />
        <Figure count={users.data?.total ?? 0} what="user" to="/users" />
      </div>
      {['OWNER', 'ADMIN', 'AUDITOR'].includes(me.role) && <RecentChanges />}
    </>
  );
}

function sentence(gateways: readonly Gateway[], attention: readonly Attention[]): string {
  if (attention.length > 0)
    return `${attention.length} ${attention.length === 1 ? 'thing needs' : 'things need'} attention`;
  if (gateways.length === 0) return 'There is no gateway yet';
  const behind = gateways.filter(({ statistics }) => (statistics?.lag ?? 0) > 0).length;
  if (behind > 0) return `${plural(behind, 'gateway')} of ${gateways.length} still apply the last change`;
  const up = gateways.filter(({ status }) => status === 'ONLINE').length;
  if (up < gateways.length) return `${up} of ${plural(gateways.length, 'gateway')} online`;
  return gateways.length === 1
    ? 'The gateway enforces what your policies say'
    : `All ${gateways.length} gateways enforce what your policies say`;
}

function gatewayAttention({ id, name, status, error, lastOnline, intent }: Gateway): Attention[] {
  const common = { key: id, to: `/gateways/${id}`, object: name };
  if (status === 'ERROR')
    return [{ ...common, meaning: 'bad', what: error ?? 'It reports an error.', since: lastOnline }];
  if (status === 'OFFLINE' && intent !== 'OFFLINE')
    return [
      { ...common, meaning: 'warn', what: 'It does not answer. Check the host and its network.', since: lastOnline },
    ];
  return [];
}

const resourceAttention = ({ id, name, unreachableReason }: Resource): Attention[] =>
  unreachableReason === undefined
    ? []
    : [{ key: id, to: '/resources', object: name, meaning: 'warn', what: unreachableReason }];

function Inbox({ items }: { items: readonly Attention[] }) {
  return (
    <section className="card" aria-labelledby="inbox">
      <header>
        <h2 id="inbox">Needs attention</h2>
      </header>
      <ul className="body stack">
        {items.map(({ key, meaning, to, object, what, since }) => (
          <li key={key} className="row between">
            <div className="grow">
              <Status meaning={meaning}>
                <PageLink to={to}>{object}</PageLink>
              </Status>
              <p>{what}</p>
            </div>
            {since !== undefined && (
              <span className="muted small">
                last online <Ago at={since} />
              </span>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Figure({ count, what, to, more }: { count: number; what: string; to: string; more?: string }) {
  return (
    <div className="figure">
      <strong>{count.toLocaleString('en')}</strong>
      <PageLink to={to}>{count === 1 ? what : `${what}s`}</PageLink>
      {more !== undefined && <span className="muted"> · {more}</span>}
    </div>
  );
}

function RecentChanges() {
  const events = useRead<'listAuditEvents'>('audit', '/tenants/audit-events?limit=10');
  if (events.data === undefined) return <Skeleton lines={4} />;
  return (
    <section className="card" aria-labelledby="changes">
      <header className="row between">
        <h2 id="changes">Last changes</h2>
        <PageLink to="/audit">All events</PageLink>
      </header>
      {events.data.data.length === 0 ? (
        <Empty title="Nothing has happened yet" />
      ) : (
        <ul className="body stack tight">
          {events.data.data.map(({ id, at, actor, action, object }) => (
            <li key={id} className="row between">
              <span className="grow">
                <strong>{actor.name}</strong> {words(action)}
                {object.name !== undefined && object.name !== actor.name && (
                  <span className="muted"> {object.name}</span>
                )}
              </span>
              <span className="muted small">
                <Ago at={at} />
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

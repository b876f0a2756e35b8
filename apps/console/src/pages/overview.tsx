import type { Device, Gateway, GatewaySummary, ResourceSummary, UserSummary } from '@sallyport/contract';
import { useEffect } from 'react';
import { mayAudit, queryClient, useRead } from '../data/queries.ts';
import { useListPage } from '../data/use-list.ts';
import { Ago, Empty, Skeleton } from '../kit/kit.tsx';
import { plural, words } from '../kit/text.ts';
import { useFollow, useLiveOverview } from '../live/live.ts';
import { attentionOf } from '../overview/attention.ts';
import { Health, sumOf } from '../overview/health.tsx';
import { Inbox } from '../overview/inbox.tsx';
import '../overview/overview.css';
import { useSignedIn } from '../shell/me.ts';
import { PageLink } from '../shell/page-link.tsx';
import { FirstSteps } from './first-steps.tsx';

/** Gateways whose statistics make the charts. */
const mostMeasured = 50;

/** Gateways that may need a person, those with errors first. */
const troubledPath = '/tenants/gateways?fields=summary&limit=50&filter[status][in]=ERROR,OFFLINE&sort=status';

/** What needs attention, how large the tenant is, and what changed last. No request grows with the tenant. */
export function OverviewPage() {
  const me = useSignedIn();
  const troubled = useListPage<GatewaySummary>('gateway', troubledPath);
  const online = useListPage<GatewaySummary>(
    'gateway',
    '/tenants/gateways?fields=summary&limit=1&filter[status]=ONLINE',
  );
  const measured = useListPage<Gateway>('gateway', `/tenants/gateways?limit=${mostMeasured}&sort=-lastOnline`);
  const devices = useListPage<Device>('device', '/tenants/devices?fields=summary&limit=1');
  const connected = useListPage<Device>('device', '/tenants/devices?fields=summary&limit=1&filter[status]=Online');
  const unreachable = useListPage<ResourceSummary>(
    'resource',
    '/tenants/resources?fields=summary&limit=50&filter[status]=OFFLINE',
  );
  const resources = useListPage<ResourceSummary>('resource', '/tenants/resources?fields=summary&limit=1');
  const users = useListPage<UserSummary>('user', '/tenants/users?fields=summary&limit=1');
  const expired = useListPage<UserSummary>('user', '/tenants/users?fields=summary&limit=1&filter[status]=EXPIRED');
  const figures = useLiveOverview();
  const standing = JSON.stringify(figures?.gateways ?? null);
  // The stream tells the status of listed gateways only. When other ones begin to need somebody, the figures differ.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the figures say when to read
  useEffect(() => void queryClient.invalidateQueries({ queryKey: ['gateway', troubledPath] }), [standing]);
  useFollow({ gateways: idsOf(troubled), statistics: idsOf(measured) });
  const all = [troubled, online, measured, devices, connected, unreachable, resources, users, expired];
  const [trouble, up, some, every, now, cut, things, people, late] = all.map(({ data }) => data);
  if (!trouble || !up || !some || !every || !now || !cut || !things || !people || !late) return <Skeleton />;
  const attention = attentionOf(trouble.rows as GatewaySummary[], cut.rows as ResourceSummary[], late.total);
  // The lists have the first entries only. Their totals also count entries that need no attention.
  const unseen = Math.max(0, trouble.total - trouble.rows.length);
  const gateways = some.total;
  const devicesOnline = figures?.devices.online ?? now.total;
  const gatewaysOnline = figures === null ? up.total : (figures.gateways.ONLINE ?? 0);
  return (
    <>
      <div className="head">
        <h1>{sentence(gateways, gatewaysOnline, attention.length + unseen)}</h1>
      </div>
      <FirstSteps />
      {attention.length > 0 && <Inbox items={attention} total={attention.length + unseen} />}
      <div className="figures">
        <Figure count={gateways} what="gateway" to="/gateways" more={`${gatewaysOnline.toLocaleString('en')} online`} />
        <Figure count={every.total} what="device" to="/devices" more={`${devicesOnline.toLocaleString('en')} online`} />
        <Figure count={things.total} what="resource" to="/resources" />
        <Figure count={people.total} what="user" to="/users" />
      </div>
      {gateways > 0 && (
        <Health
          figures={{ devicesOnline, gatewaysOnline, ...sumOf(some.rows as Gateway[]) }}
          part={gateways > mostMeasured ? `the ${mostMeasured} gateways that were online last` : null}
        />
      )}
      {mayAudit(me) && <RecentChanges />}
    </>
  );
}

const idsOf = ({ data }: { data: { rows: readonly { readonly id: string }[] } | undefined }): string[] =>
  (data?.rows ?? []).map(({ id }) => id);

function sentence(gateways: number, online: number, attention: number): string {
  if (attention > 0)
    return `${attention.toLocaleString('en')} ${attention === 1 ? 'thing needs' : 'things need'} attention`;
  if (gateways === 0) return 'There is no gateway yet';
  // A gateway is online when its kernel holds what the policies say.
  if (online < gateways) return `${online.toLocaleString('en')} of ${plural(gateways, 'gateway')} online`;
  return gateways === 1
    ? 'The gateway enforces what your policies say'
    : `All ${gateways.toLocaleString('en')} gateways enforce what your policies say`;
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
              <PageLink className="grow plain-link" to="/audit" search={{ id }}>
                <strong>{actor.name}</strong> {words(action)}
                {object.name !== undefined && object.name !== actor.name && (
                  <span className="muted"> {object.name}</span>
                )}
              </PageLink>
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

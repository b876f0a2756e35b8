import type { Gateway } from '@sallyport/contract';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { call, messageOf } from '../data/api.ts';
import { mayWrite, queryClient, useRead } from '../data/queries.ts';
import { GatewayDialog } from '../forms/gateway-form.tsx';
import { UpgradeDialog } from '../forms/upgrade-dialog.tsx';
import { Button, Status, toast } from '../kit/kit.tsx';
import { deletionOf, PlanDialog, type PlannedWrite } from '../kit/plan.tsx';
import { plural } from '../kit/text.ts';
import { gatewayMeanings, gatewayWords, isUpgradable } from '../lists/meanings.ts';
import { useFollow } from '../live/live.ts';
import { gatewayYaml } from '../object/declared.ts';
import { Loading, ObjectFrame } from '../object/frame.tsx';
import { useSignedIn } from '../shell/me.ts';
import { PageLink } from '../shell/page-link.tsx';
import { DeployGateway } from './gateway-deploy.tsx';
import { GatewayFacts } from './gateway-facts.tsx';
import { TestGateway } from './gateway-test.tsx';

/** One gateway: how it stands and why, what it serves, and how to run it. `page`: where it can be seen alone. */
export function GatewayObject({ id, page }: { id: string; page?: string }) {
  const { data: gateway, error } = useRead<'getGateway'>('gateway', `/tenants/gateways/${id}`);
  useFollow({ gateways: [id], statistics: [id] });
  if (gateway === undefined) return <Loading error={error} />;
  const pending = gateway.status === 'PENDING';
  return (
    <ObjectFrame
      id={id}
      name={gateway.name}
      page={page}
      status={<Status meaning={gatewayMeanings[gateway.status]}>{gatewayWords[gateway.status]}</Status>}
      actions={<Actions gateway={gateway} />}
      commands={[
        { about: 'Show it', line: `sally gateways get ${id}` },
        { about: 'Test it', line: `sally gateways test ${id}` },
        ...(isUpgradable(gateway) ? [{ about: 'Upgrade it', line: `sally gateways upgrade ${id}` }] : []),
        gateway.intent === 'MAINTENANCE'
          ? { about: 'End its maintenance', line: `sally gateways activate ${id}` }
          : { about: 'Drain it', line: `sally gateways maintenance ${id}` },
        { about: 'See what its deletion changes', line: `sally gateways delete ${id} --dry-run` },
      ]}
      yaml={gatewayYaml(gateway)}
      tabs={[
        ...(pending ? [] : [{ key: 'deploy', text: 'Deploy', body: <DeployGateway gateway={gateway} /> }]),
        { key: 'test', text: 'Test', body: <TestGateway gateway={gateway} /> },
      ]}
    >
      {gateway.error !== undefined && <p className="note bad">{gateway.error}</p>}
      {gateway.intent === 'MAINTENANCE' && <Draining gateway={gateway} />}
      {pending && <DeployGateway gateway={gateway} />}
      <div className={page === undefined ? 'columns' : 'stack'}>
        <GatewayFacts gateway={gateway} />
        <Resources gateway={gateway} />
      </div>
    </ObjectFrame>
  );
}

/** Says how far the draining of a gateway is. */
function Draining({ gateway: { statistics } }: { gateway: Gateway }) {
  if (statistics?.safeToStop === true)
    return <p className="note good">It is safe to stop: no connection goes through it any more.</p>;
  const until = statistics?.drainUntil;
  return (
    <p className="note warn">
      It is draining: connections go on, and new ones take other gateways.
      {until !== undefined && ` What is left ends at ${new Date(until).toLocaleTimeString()}.`} Do not stop it yet.
    </p>
  );
}

function Actions({ gateway }: { gateway: Gateway }) {
  const me = useSignedIn();
  const navigate = useNavigate();
  const [editing, setEditing] = useState(false);
  const [write, setWrite] = useState<PlannedWrite | null>(null);
  const [upgrading, setUpgrading] = useState<Gateway[] | null>(null);
  if (!mayWrite(me)) return null;
  const { name, wireguardPort } = gateway;
  const drain = () =>
    setWrite({
      title: `Drain ${name}`,
      method: 'PATCH',
      path: `/tenants/gateways/${gateway.id}`,
      body: { name, wireguardPort, intent: 'MAINTENANCE' },
      verb: 'Drain gateway',
      done: `${name} is draining.`,
    });
  const endDrain = async () => {
    await call<'updateGateway'>('PATCH', `/tenants/gateways/${gateway.id}`, {
      name,
      wireguardPort,
      intent: 'ACTIVE',
    }).catch((failure) => toast(messageOf(failure)));
    await queryClient.invalidateQueries({ queryKey: ['gateway'] });
  };
  const remove = () => setWrite(deletionOf('gateway', name, `/tenants/gateways/${gateway.id}`));
  return (
    <>
      <Button onClick={() => setEditing(true)}>Edit</Button>
      <Button onClick={gateway.intent === 'MAINTENANCE' ? () => void endDrain() : drain}>
        {gateway.intent === 'MAINTENANCE' ? 'End maintenance' : 'Drain gateway'}
      </Button>
      {isUpgradable(gateway) && <Button onClick={() => setUpgrading([gateway])}>Upgrade gateway</Button>}
      <Button look="danger" onClick={remove}>
        Delete gateway
      </Button>
      <UpgradeDialog gateways={upgrading} onClose={() => setUpgrading(null)} />
      <GatewayDialog id={gateway.id} open={editing} onClose={() => setEditing(false)} />
      <PlanDialog
        write={write}
        onClose={() => setWrite(null)}
        onDone={() => {
          if (write?.method === 'DELETE') void navigate({ to: '/gateways', search: {} } as never);
        }}
      />
    </>
  );
}

function Resources({ gateway }: { gateway: Gateway }) {
  const resources = gateway.resources ?? [];
  const states = useRead<'listResources'>(
    'resource',
    `/tenants/resources?fields=summary&limit=500&filter[gateways.id]=${gateway.id}`,
    resources.length > 0,
  );
  const reasons = new Map((states.data?.data ?? []).map((one) => [one.id, one.unreachableReason]));
  return (
    <section className="stack tight" aria-labelledby="resources">
      <h3 id="resources">{resources.length === 0 ? 'Resources' : plural(resources.length, 'resource')}</h3>
      {resources.length === 0 ? (
        <p className="muted">No resource is behind this gateway. Attach one on the page of resources.</p>
      ) : (
        <ul className="stack tight">
          {resources.map(({ id, name }) => (
            <li key={id} className="row between">
              <PageLink to="/resources" search={{ id }}>
                {name}
              </PageLink>
              {reasons.get(id) !== undefined && <Status meaning="warn">{reasons.get(id)}</Status>}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

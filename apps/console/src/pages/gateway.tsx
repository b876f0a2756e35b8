import type { Gateway, TestConfiguration } from '@sallyport/contract';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { call, get, messageOf } from '../data/api.ts';
import { mayWrite, queryClient } from '../data/queries.ts';
import { Ago, Button, bytes, Copy, plural, Secret, Skeleton, toast } from '../kit/kit.tsx';
import { PlanDialog, type PlannedWrite } from '../kit/plan.tsx';
import { useSignedIn } from '../shell/me.ts';
import { GatewayStatus } from './gateways.tsx';

/** One gateway: how it stands and why, what it serves, and how to run it. */
export function GatewayPage() {
  const me = useSignedIn();
  const { id } = useParams({ strict: false }) as { id: string };
  const navigate = useNavigate();
  const path = `/tenants/gateways/${id}`;
  // Statistics are no revisions, so they are read again while somebody looks.
  const { data: gateway, error } = useQuery({
    queryKey: ['gateway', path],
    refetchInterval: 3000,
    queryFn: () => get<'getGateway'>(path),
  });
  const [write, setWrite] = useState<PlannedWrite | null>(null);
  if (gateway === undefined) return error === null ? <Skeleton /> : <p className="note bad">{messageOf(error)}</p>;
  const draining = gateway.intent === 'MAINTENANCE';
  const setIntent = async (intent: 'ACTIVE' | 'MAINTENANCE') => {
    const { name, wireguardPort } = gateway;
    await call<'updateGateway'>('PATCH', path, { name, wireguardPort, intent }).catch((failure) =>
      toast(messageOf(failure)),
    );
    await queryClient.invalidateQueries({ queryKey: ['gateway'] });
  };
  return (
    <>
      <div className="head">
        <div className="stack tight">
          <h1>{gateway.name}</h1>
          <GatewayStatus status={gateway.status} />
        </div>
        {mayWrite(me) && (
          <div className="row">
            <Button onClick={() => void setIntent(draining ? 'ACTIVE' : 'MAINTENANCE')}>
              {draining ? 'End maintenance' : 'Drain gateway'}
            </Button>
            <Button
              look="danger"
              onClick={() =>
                setWrite({
                  title: `Delete ${gateway.name}`,
                  method: 'DELETE',
                  path,
                  verb: 'Delete gateway',
                  done: `Deleted ${gateway.name}.`,
                  danger: true,
                })
              }
            >
              Delete gateway
            </Button>
          </div>
        )}
      </div>
      {gateway.error !== undefined && <p className="note bad">{gateway.error}</p>}
      <div className="columns">
        <div className="stack wide">
          {gateway.status === 'PENDING' && <Deploy gateway={gateway} />}
          <Facts gateway={gateway} />
        </div>
        <div className="stack wide">
          <Resources gateway={gateway} />
          <Test gateway={gateway} />
          {gateway.status !== 'PENDING' && <Deploy gateway={gateway} />}
        </div>
      </div>
      <PlanDialog
        write={write}
        onClose={() => setWrite(null)}
        onDone={() => void navigate({ to: '/gateways' } as never)}
      />
    </>
  );
}

function Facts({ gateway }: { gateway: Gateway }) {
  const { statistics } = gateway;
  const mapping = {
    ENDPOINT_INDEPENDENT: 'directly reachable through its NAT',
    ENDPOINT_DEPENDENT: 'behind a NAT that changes ports: others reach it through relays',
  } as const;
  return (
    <section className="card" aria-labelledby="facts">
      <header>
        <h2 id="facts">State</h2>
      </header>
      <dl className="body facts">
        <dt>Connected devices</dt>
        <dd className="num">{statistics?.connectedDevices ?? 0}</dd>
        <dt>Traffic</dt>
        <dd className="num">
          {bytes(statistics?.bytesIn ?? 0)} in, {bytes(statistics?.bytesOut ?? 0)} out
        </dd>
        <dt>Enforcement</dt>
        <dd>
          {statistics?.lag === undefined
            ? 'Nothing is applied yet'
            : statistics.lag === 0
              ? 'Everything is applied'
              : `${plural(statistics.lag, 'change')} not applied yet`}
        </dd>
        <dt>Endpoint</dt>
        <dd>
          {gateway.endpoint ?? gateway.discoveredEndpoint ?? 'not known yet'}
          {gateway.endpoint === undefined && gateway.discoveredEndpoint !== undefined && (
            <span className="muted"> (discovered)</span>
          )}
        </dd>
        {gateway.natMapping !== undefined && (
          <>
            <dt>NAT</dt>
            <dd>{mapping[gateway.natMapping]}</dd>
          </>
        )}
        <dt>WireGuard port</dt>
        <dd className="num">{gateway.wireguardPort}</dd>
        <dt>Relay</dt>
        <dd>{gateway.relayEnabled ? `relays for others, ports ${gateway.relayPorts ?? '52000-52999'}` : 'off'}</dd>
        {gateway.publicKey !== undefined && (
          <>
            <dt>Public key</dt>
            <dd>
              <code>{gateway.publicKey}</code>
            </dd>
          </>
        )}
        {statistics?.clockSkewSeconds !== undefined && (
          <>
            <dt>Clock</dt>
            <dd>{`${statistics.clockSkewSeconds} s ahead of the controller: set the clock of the host`}</dd>
          </>
        )}
        <dt>Last online</dt>
        <dd>
          <Ago at={gateway.lastOnline} />
        </dd>
        <dt>Id</dt>
        <dd className="row">
          <code>{gateway.id}</code>
          <Copy text={gateway.id} label="Copy id" />
        </dd>
      </dl>
    </section>
  );
}

function Resources({ gateway }: { gateway: Gateway }) {
  const resources = gateway.resources ?? [];
  return (
    <section className="card" aria-labelledby="resources">
      <header>
        <h2 id="resources">Resources</h2>
      </header>
      <div className="body">
        {resources.length === 0 ? (
          <p className="muted">No resource is behind this gateway. Attach one on the page of resources.</p>
        ) : (
          <ul className="stack tight">
            {resources.map(({ id, name }) => (
              <li key={id}>{name}</li>
            ))}
          </ul>
        )}
      </div>
    </section>
  );
}

/** How to run the gateway on a host. The token goes in by standard input, so that it stands in no process list. */
function Deploy({ gateway }: { gateway: Gateway }) {
  const [token, setToken] = useState<string | null>(null);
  const reveal = async () => {
    try {
      setToken((await call<'revealGatewayToken'>('POST', `/tenants/gateways/${gateway.id}/reveal-token`)).token);
    } catch (failure) {
      toast(messageOf(failure));
    }
  };
  const line = `sudo bin/sally gateway run --controller ${location.origin} --token-file -`;
  return (
    <section className="card" aria-labelledby="deploy">
      <header>
        <h2 id="deploy">{gateway.status === 'PENDING' ? 'Start it on a host' : 'Move it to another host'}</h2>
      </header>
      <div className="body stack">
        <p>Run this on the host, in a checkout of Sallyport. Then paste the token there and press Enter.</p>
        <code className="codeblock">{line}</code>
        <div className="row">
          <Copy text={line} label="Copy line" />
          {token === null && <Button onClick={() => void reveal()}>Show token</Button>}
        </div>
        {token !== null && <Secret text={token} about={`Token of ${gateway.name}.`} file={`${gateway.name}.token`} />}
        {gateway.status === 'PENDING' && (
          <p className="muted">This page turns green by itself once the gateway is up.</p>
        )}
      </div>
    </section>
  );
}

function Test({ gateway }: { gateway: Gateway }) {
  const [result, setResult] = useState<TestConfiguration | null>(null);
  const [busy, setBusy] = useState(false);
  const run = async () => {
    setBusy(true);
    try {
      setResult(await call<'testGateway'>('POST', `/tenants/gateways/${gateway.id}/test-configuration`));
    } catch (failure) {
      toast(messageOf(failure));
    } finally {
      setBusy(false);
    }
  };
  return (
    <section className="card" aria-labelledby="test">
      <header className="row between">
        <h2 id="test">Test</h2>
        <Button busy={busy} onClick={() => void run()}>
          {busy ? 'Testing…' : 'Test gateway'}
        </Button>
      </header>
      <div className="body">
        {result === null ? (
          <p className="muted">
            Checks whether the gateway is reached from outside, and whether it reaches its resources.
          </p>
        ) : (
          <div className={`note ${result.status === 'ONLINE' ? 'good' : 'bad'}`}>
            <p>
              <strong>{result.status === 'ONLINE' ? 'It works' : (result.error ?? result.status)}</strong>
            </p>
            {(result.details ?? '').split('\n').map((line) => (
              <p key={line}>{line}</p>
            ))}
          </div>
        )}
      </div>
    </section>
  );
}

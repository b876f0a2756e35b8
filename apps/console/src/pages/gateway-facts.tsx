import type { Gateway } from '@sallyport/contract';
import { dnsServersText } from '@sallyport/contract/dns-servers';
import { Ago } from '../kit/kit.tsx';
import { bytes, plural } from '../kit/text.ts';

/** What is known about a gateway. */
export function GatewayFacts({ gateway }: { gateway: Gateway }) {
  const { statistics } = gateway;
  const mapping = {
    ENDPOINT_INDEPENDENT: 'directly reachable through its NAT',
    ENDPOINT_DEPENDENT: 'behind a NAT that changes ports: others reach it through relays',
  } as const;
  return (
    <section className="stack tight" aria-labelledby="facts">
      <h3 id="facts">State</h3>
      <dl className="facts">
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
        {gateway.labels !== undefined && (
          <>
            <dt>Labels</dt>
            <dd>{gateway.labels.join(', ')}</dd>
          </>
        )}
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
        {gateway.dnsServers !== undefined && (
          <>
            <dt>DNS servers</dt>
            <dd>{dnsServersText(gateway.dnsServers)}</dd>
          </>
        )}
        {gateway.publicKey !== undefined && (
          <>
            <dt>Public key</dt>
            <dd>
              <code>{gateway.publicKey}</code>
            </dd>
          </>
        )}
        {statistics?.agentVersion !== undefined && (
          <>
            <dt>Version</dt>
            <dd>
              {statistics.agentVersion}
              {statistics.outdated === true && <span className="muted"> (older than the controller: upgrade it)</span>}
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
      </dl>
    </section>
  );
}

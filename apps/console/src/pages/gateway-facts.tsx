import type { Gateway, GatewayUpgrade } from '@sallyport/contract';
import { dnsServersText } from '@sallyport/contract/dns-servers';
import { Ago, Status } from '../kit/kit.tsx';
import { bytes, plural } from '../kit/text.ts';
import { upgradeMeanings, upgradeWords } from '../lists/meanings.ts';

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
        {gateway.network !== undefined && (
          <>
            <dt>Network</dt>
            <dd>{gateway.network}</dd>
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
              {statistics.outdated === true && <span className="muted"> ({howToUpgrade(gateway)})</span>}
            </dd>
          </>
        )}
        {gateway.upgrade !== undefined && (
          <>
            <dt>Upgrade</dt>
            <dd>
              <Status meaning={upgradeMeanings[gateway.upgrade.state]}>{upgradeText(gateway.upgrade)}</Status>
              {gateway.upgrade.reason !== undefined && <p className="muted">{gateway.upgrade.reason}</p>}
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

/** Says how a gateway that is older than the controller gets its version. */
function howToUpgrade({ upgrades }: Gateway): string {
  if (upgrades === 'ALLOWED') return 'older than the controller';
  if (upgrades === 'NOT_POSSIBLE')
    return 'older than the controller: upgrade it on its host, as it was installed there';
  return 'older than the controller: run sudo sally upgrade on its host, which does not let the controller do it';
}

const upgradeText = ({ state, from, version }: GatewayUpgrade): string =>
  `${upgradeWords[state]} (${from} to ${version})`;

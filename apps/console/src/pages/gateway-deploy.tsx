import type { Gateway } from '@sallyport/contract';
import { useState } from 'react';
import { call, messageOf } from '../data/api.ts';
import { useRead } from '../data/queries.ts';
import { Button, Copy, Secret, toast } from '../kit/kit.tsx';

/** The ways to run a gateway, and what is typed on its host. */
const ways = {
  line: {
    text: 'In one line',
    about:
      'Run this as root, or with sudo, on a Debian, Ubuntu, Fedora or Alpine host. It installs the gateway as a service, and asks for the token: paste it and press Enter.',
    lines: (_origin: string, installUrl: string) => `curl -fsSL ${installUrl}/gateway | sudo sh`,
  },
  terminal: {
    text: 'From a checkout',
    about: 'Run this on a Debian or Ubuntu host, in a checkout of Sallyport. Then paste the token and press Enter.',
    lines: (origin: string) => `sudo bin/sally gateway run --controller ${origin} --token-file -`,
  },
  service: {
    text: 'From a checkout, as a service',
    about:
      'Run this as root on a host with a checkout in /opt/sallyport. The second line waits for the token: paste it and press Enter.',
    lines: (origin: string) =>
      [
        'install -d -m 700 /etc/sallyport && /opt/sallyport/bin/sally install-path',
        'read -rs TOKEN && (umask 077; printf %s "$TOKEN" > /etc/sallyport/gateway.token)',
        `echo SALLYPORT_CONTROLLER=${origin} > /etc/sallyport/gateway.env`,
        'cp /opt/sallyport/deploy/systemd/sallyport-gateway.service /etc/systemd/system/',
        'systemctl enable --now sallyport-gateway',
      ].join('\n'),
  },
} as const;

/** How to run the gateway on a host. The token goes in by standard input, so that it stands in no process list. */
export function DeployGateway({ gateway }: { gateway: Gateway }) {
  const [token, setToken] = useState<string | null>(null);
  const { data: tenant } = useRead<'getTenant'>('tenant', '/tenants/settings');
  const installUrl = tenant?.installUrl;
  const [chosen, setWay] = useState<keyof typeof ways | null>(null);
  const way = chosen ?? (installUrl === undefined ? 'terminal' : 'line');
  const reveal = async () => {
    try {
      setToken((await call<'revealGatewayToken'>('POST', `/tenants/gateways/${gateway.id}/reveal-token`)).token);
    } catch (failure) {
      toast(messageOf(failure));
    }
  };
  const lines = ways[way].lines(location.origin, installUrl ?? '');
  return (
    <section className="stack" aria-labelledby="deploy">
      <h3 id="deploy">{gateway.status === 'PENDING' ? 'Start it on a host' : 'Move it to another host'}</h3>
      <div className="row segments">
        {Object.entries(ways)
          .filter(([key]) => key !== 'line' || installUrl !== undefined)
          .map(([key, { text }]) => (
            <Button key={key} aria-pressed={key === way} onClick={() => setWay(key as keyof typeof ways)}>
              {text}
            </Button>
          ))}
      </div>
      <p>{ways[way].about}</p>
      <code className="codeblock">{lines}</code>
      <div className="row">
        <Copy text={lines} label={way === 'service' ? 'Copy lines' : 'Copy line'} />
        {token === null && <Button onClick={() => void reveal()}>Show token</Button>}
      </div>
      {token !== null && <Secret text={token} about={`Token of ${gateway.name}.`} file={`${gateway.name}.token`} />}
      {gateway.status === 'PENDING' && <p className="muted">This page turns green by itself once the gateway is up.</p>}
    </section>
  );
}

import type { Device, Gateway, Policy, Resource } from '@sallyport/contract';
import { useState } from 'react';
import { Button, Status } from '../kit/kit.tsx';
import { PageLink } from '../shell/page-link.tsx';

/** Leads the owner of a new tenant from nothing to the first packet. Each step is confirmed by what really happened. */
export function FirstSteps({
  gateways,
  resources,
  devices,
  policies,
}: {
  gateways: readonly Gateway[];
  resources: readonly Resource[];
  devices: readonly Device[];
  policies: readonly Policy[];
}) {
  const [hidden, setHidden] = useState(() => localStorage.getItem('first-steps') === 'hidden');
  const steps = [
    { done: true, text: 'You are the owner', to: '/my', action: 'See your account' },
    {
      done: gateways.some(({ status }) => status === 'ONLINE'),
      text: 'A gateway is online',
      to: '/gateways',
      action: gateways.length === 0 ? 'Create a gateway' : 'See how to start it',
    },
    {
      done: resources.some((resource) => resource.gateways.length > 0),
      text: 'A resource is behind a gateway',
      to: '/resources',
      action: 'Create a resource',
    },
    {
      done: policies.some(({ isDefault, type, action }) => !isDefault && type === 'PRIVATE' && action),
      text: 'A policy allows access',
      to: '/policies',
      action: 'Create a policy',
    },
    // After the policy: the configuration of a device names the gateways that its policies let it use.
    { done: devices.length > 0, text: 'A device is added', to: '/devices', action: 'Add a device' },
    {
      done: devices.some(({ lastConnection }) => lastConnection !== undefined),
      text: 'The first packet has arrived',
      to: '/devices',
      action: 'Connect the device',
    },
  ];
  const next = steps.findIndex(({ done }) => !done);
  if (hidden || next === -1) return null;
  return (
    <section className="card" aria-labelledby="steps">
      <header className="row between">
        <h2 id="steps">First steps</h2>
        <Button
          look="plain"
          onClick={() => {
            localStorage.setItem('first-steps', 'hidden');
            setHidden(true);
          }}
        >
          Hide
        </Button>
      </header>
      <ol className="body stack tight">
        {steps.map(({ done, text, to, action }, i) => (
          <li key={text} className="row between">
            <Status meaning={done ? 'good' : i === next ? 'wait' : 'off'}>
              {text}
              <span className="visually-hidden">{done ? ', done' : ', open'}</span>
            </Status>
            {i === next && (
              <PageLink className="button primary" to={to}>
                {action}
              </PageLink>
            )}
          </li>
        ))}
      </ol>
    </section>
  );
}

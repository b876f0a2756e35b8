import type { Device, Gateway } from '@sallyport/contract';
import { useState } from 'react';
import { useRead } from '../data/queries.ts';
import { useListPage } from '../data/use-list.ts';
import { Button, Skeleton, Status } from '../kit/kit.tsx';
import { PageLink } from '../shell/page-link.tsx';

/** A step, and whether it has really happened. */
interface Step {
  readonly done: boolean;
  readonly text: string;
  readonly to: string;
  readonly action: string;
}

/** Leads the owner of a new tenant from nothing to the first packet. Hidden once that has arrived, or by the person. */
export function FirstSteps() {
  const [hidden, setHidden] = useState(() => localStorage.getItem('first-steps') === 'hidden');
  const steps = useSteps(!hidden);
  if (hidden || steps === null || steps.every(({ done }) => done)) return null;
  const hide = () => {
    localStorage.setItem('first-steps', 'hidden');
    setHidden(true);
  };
  return (
    <section className="card" aria-labelledby="steps">
      <header className="row between">
        <h2 id="steps">First steps</h2>
        <Button look="plain" onClick={hide}>
          Hide
        </Button>
      </header>
      <Steps steps={steps} />
    </section>
  );
}

/** The same list in the settings, also when it is done or hidden on the overview. */
export function KeptSteps() {
  const steps = useSteps(true);
  const [hidden, setHidden] = useState(() => localStorage.getItem('first-steps') === 'hidden');
  const show = () => {
    localStorage.removeItem('first-steps');
    setHidden(false);
  };
  return (
    <section className="card" aria-labelledby="kept-steps">
      <header className="row between">
        <h2 id="kept-steps">First steps</h2>
        {hidden && <Button onClick={show}>Show on the overview</Button>}
      </header>
      {steps === null ? (
        <div className="body">
          <Skeleton lines={6} />
        </div>
      ) : (
        <Steps steps={steps} />
      )}
    </section>
  );
}

function Steps({ steps }: { steps: readonly Step[] }) {
  const next = steps.findIndex(({ done }) => !done);
  return (
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
  );
}

/**
 * The steps by what really happened; null until that is known. Requests are bounded: the newest objects of each kind decide.
 * After the first packet only the devices are read.
 */
function useSteps(enabled: boolean): readonly Step[] | null {
  const devices = useListPage<Device>('device', '/tenants/devices?limit=10&sort=-lastConnection', enabled);
  const arrived = devices.data?.rows.some(({ lastConnection }) => lastConnection !== undefined) === true;
  const open = enabled && devices.data !== undefined && !arrived;
  const gateways = useListPage<Gateway>('gateway', '/tenants/gateways?limit=10&sort=-lastOnline', open);
  const resources = useRead<'listResources'>('resource', '/tenants/resources?limit=10', open);
  const policies = useRead<'listPolicies'>('policy', '/tenants/policies', open);
  if (devices.data === undefined) return null;
  if (open && (gateways.data === undefined || resources.data === undefined || policies.data === undefined)) return null;
  const gateway = gateways.data?.rows ?? [];
  const allows = policies.data?.some(({ isDefault, type, action }) => !isDefault && type === 'PRIVATE' && action);
  return [
    { done: true, text: 'You are the owner', to: '/my', action: 'See your account' },
    {
      done: arrived || gateway.some(({ status }) => status === 'ONLINE'),
      text: 'A gateway is online',
      to: '/gateways',
      action: gateway.length === 0 ? 'Create a gateway' : 'See how to start it',
    },
    {
      done: arrived || resources.data?.data.some((resource) => resource.gateways.length > 0) === true,
      text: 'A resource is behind a gateway',
      to: '/resources',
      action: 'Create a resource',
    },
    { done: arrived || allows === true, text: 'A policy allows access', to: '/policies', action: 'Create a policy' },
    // After the policy: the configuration of a device names the gateways that its policies let it use.
    { done: devices.data.rows.length > 0, text: 'A device is added', to: '/devices', action: 'Add a device' },
    { done: arrived, text: 'The first packet has arrived', to: '/devices', action: 'Connect the device' },
  ];
}

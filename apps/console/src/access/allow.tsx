import type { Explanation } from '@sallyport/contract';
import { useState } from 'react';
import { mayWrite, useRead } from '../data/queries.ts';
import { PolicyDialog, type PolicyValues } from '../forms/policy-form.tsx';
import { ResourceDialog } from '../forms/resource-form.tsx';
import { Button } from '../kit/kit.tsx';
import { PlanDialog, type PlannedWrite } from '../kit/plan.tsx';
import { useSignedIn } from '../shell/me.ts';
import { PageLink } from '../shell/page-link.tsx';

type Suggestion = NonNullable<Explanation['suggestions']>[number];

/** What a click on a suggestion opens. */
type Opened =
  | { readonly kind: 'plan'; readonly write: PlannedWrite }
  | { readonly kind: 'policy'; readonly id?: string | undefined; readonly draft: Partial<PolicyValues> }
  | { readonly kind: 'resource'; readonly draft: string };

/** What would allow a denied connection: the smallest changes first, each one click from its draft. */
export function Allow({ answer, destination }: { answer: Explanation; destination: string }) {
  const me = useSignedIn();
  const [opened, setOpened] = useState<Opened | null>(null);
  const { device, suggestions = [] } = answer;
  const id = device?.id;
  const owner = useRead<'getDevice'>('device', `/tenants/devices/${id}`, id !== undefined).data?.user;
  const close = () => setOpened(null);
  if (device === undefined || suggestions.length === 0) return null;
  return (
    <section className="card" aria-labelledby="allow">
      <header>
        <h2 id="allow">What would allow this?</h2>
      </header>
      <ul className="body stack">
        {suggestions.map((suggestion) => (
          <li key={suggestion.text} className="row between">
            <span className="grow">
              {suggestion.text}.{!suggestion.sufficient && <span className="muted"> More is needed after that.</span>}
            </span>
            {mayWrite(me) && (
              <Act suggestion={suggestion} device={device} owner={owner} destination={destination} onOpen={setOpened} />
            )}
          </li>
        ))}
      </ul>
      <PlanDialog write={opened?.kind === 'plan' ? opened.write : null} onClose={close} />
      <PolicyDialog
        open={opened?.kind === 'policy'}
        id={opened?.kind === 'policy' ? opened.id : undefined}
        draft={opened?.kind === 'policy' ? opened.draft : undefined}
        onClose={close}
      />
      <ResourceDialog
        open={opened?.kind === 'resource'}
        addresses={opened?.kind === 'resource' ? opened.draft : undefined}
        onClose={close}
      />
    </section>
  );
}

interface ActProps {
  readonly suggestion: Suggestion;
  readonly device: { readonly id: string; readonly name: string };
  readonly owner: { readonly id: string; readonly email?: string | undefined } | undefined;
  readonly destination: string;
  readonly onOpen: (opened: Opened) => void;
}

function Act({ suggestion, device, owner, destination, onOpen }: ActProps) {
  const { kind, policy, resource, rule } = suggestion;
  if (kind === 'meet-rule')
    return rule === undefined ? null : (
      <PageLink className="button" to={`/rules/${rule.id}`}>
        Open rule
      </PageLink>
    );
  if (kind === 'attach-gateway' || kind === 'open-port')
    return (
      <PageLink className="button" to={`/resources/${resource?.id}`}>
        Open resource
      </PageLink>
    );
  if (kind === 'create-policy')
    return <Button onClick={() => onOpen({ kind: 'policy', draft: draftOf(suggestion, device) })}>Draft policy</Button>;
  if (kind === 'create-resource')
    return <Button onClick={() => onOpen({ kind: 'resource', draft: destination })}>Draft resource</Button>;
  if (kind === 'extend-policy') {
    const added =
      owner === undefined ? { devices: [device] } : { users: [{ id: owner.id, name: owner.email ?? owner.id }] };
    return (
      <Button onClick={() => onOpen({ kind: 'policy', id: policy?.id, draft: { who: 'CHOSEN', ...added } })}>
        Draft change
      </Button>
    );
  }
  const write = writeOf(suggestion, device, owner);
  return write === null ? null : <Button onClick={() => onOpen({ kind: 'plan', write })}>See what changes</Button>;
}

const draftOf = ({ resource }: Suggestion, device: { id: string; name: string }): Partial<PolicyValues> => ({
  name: `${device.name} to ${resource?.name}`.slice(0, 120),
  action: 'allow',
  who: 'CHOSEN',
  devices: [device],
  where: 'CHOSEN',
  resources: resource === undefined ? [] : [resource],
});

function writeOf(
  { kind, group }: Suggestion,
  device: { id: string; name: string },
  owner: { id: string; email?: string | undefined } | undefined,
): PlannedWrite | null {
  const person = owner?.email ?? owner?.id ?? '';
  if (kind === 'join-group' && owner !== undefined && group !== undefined)
    return {
      title: `Add ${person} to ${group.name}`,
      method: 'POST',
      path: `/tenants/users/${owner.id}/groups`,
      body: { groupId: group.id },
      verb: 'Add to group',
      done: `Added ${person} to ${group.name}.`,
    };
  if (kind === 'activate-device')
    return {
      title: `Reactivate ${device.name}`,
      method: 'POST',
      path: `/tenants/devices/${device.id}/reactivate`,
      verb: 'Reactivate device',
      done: `Reactivated ${device.name}.`,
    };
  if (kind === 'activate-user' && owner !== undefined)
    return {
      title: `Reactivate ${person}`,
      method: 'POST',
      path: `/tenants/users/${owner.id}/reactivate`,
      verb: 'Reactivate user',
      done: `Reactivated ${person}.`,
    };
  return null;
}

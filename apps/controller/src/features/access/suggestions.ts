import type { AccessSuggestion } from '@sallyport/contract';
import { type AccessQuery, type Suggestion, suggestSteps, type World } from '@sallyport/policy';
import { inSlices } from '../../slices.ts';
import type { Names } from './store.ts';

/** Returns the smallest changes that would allow a denied connection of a device. */
export async function suggestionsFor(world: World, query: AccessQuery & { device: string }): Promise<Suggestion[]> {
  const found: Suggestion[] = [];
  for await (const batch of inSlices(suggestSteps(world, query))) found.push(...batch);
  return found;
}

/** Returns a suggestion with names and in words. */
export function suggestionView(
  world: World,
  { device, destination, protocol, port }: AccessQuery & { device: string },
  suggestion: Suggestion,
  policies: Names,
): AccessSuggestion {
  const { kind, sufficient, policy, group, resource, before } = suggestion;
  const rule = policy === undefined ? undefined : world.policies.get(policy)?.rule;
  const owner = world.users.get(world.devices.get(device)?.user ?? '');
  const named = {
    policy: nameOf(policy, policies.get(policy ?? '')),
    group: nameOf(group, world.groups.get(group ?? '')?.name),
    resource: nameOf(resource, world.resources.get(resource ?? '')?.name),
    before: nameOf(before, policies.get(before ?? '')),
  };
  const what = {
    ...{ device: world.devices.get(device)?.name || 'the device', destination },
    ...{ person: owner?.email ?? '', port: protocol === 'icmp' ? 'ICMP' : `${protocol.toUpperCase()} port ${port}` },
    ...{ policy: named.policy?.name, group: named.group?.name, resource: named.resource?.name },
    before: named.before?.name,
  };
  return {
    kind,
    text: textOf(kind, what),
    sufficient,
    ...Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined)),
    ...(kind === 'meet-rule' && rule !== undefined ? { rule: { id: rule, name: what.policy ?? '' } } : {}),
  };
}

const nameOf = (id: string | undefined, name: string | undefined) =>
  id === undefined ? undefined : { id, name: name ?? '' };

type What = Readonly<Record<string, string | undefined>>;

function textOf(kind: Suggestion['kind'], what: What): string {
  const { device, person, destination, port, policy, group, resource, before } = what;
  switch (kind) {
    case 'activate-device':
      return `Reactivate the device ${device}`;
    case 'activate-user':
      return `Make ${person} active: the user is deactivated or has not accepted the invitation`;
    case 'attach-gateway':
      return `Attach a gateway to ${resource}`;
    case 'open-port':
      return `Add ${port} to ${resource}`;
    case 'join-group':
      return `Add ${person} to the group ${group}, which the policy ${policy} names`;
    case 'extend-policy':
      return `Add ${person || device} to the policy ${policy}`;
    case 'meet-rule':
      return `Meet or change the admission rule of the policy ${policy}`;
    case 'create-policy': {
      const text = `Create a policy that allows ${device} to reach ${resource}`;
      return before === undefined ? text : `${text}, and move it before the policy ${before}, which denies it`;
    }
    case 'create-resource':
      return `Create a resource with the address ${destination}`;
  }
}

import type { Policy } from '@sallyport/contract';

/** Returns who a policy is about, in words. */
export function who(policy: Policy): string {
  const parts = [
    policy.allUsers ? 'everybody' : '',
    policy.allGroups ? 'all groups' : '',
    policy.allDevices ? 'all devices' : '',
    ...(policy.groups ?? []).map(({ name }) => name),
    ...(policy.users ?? []).map(({ email }) => email ?? ''),
    ...(policy.devices ?? []).map(({ name }) => name),
    ...(policy.sourceIps ?? []),
  ];
  return some(parts, 'no one');
}

/** Returns what a policy opens or closes, in words. */
export const where = (policy: Policy): string =>
  policy.type === 'INTERNET'
    ? some(
        (policy.gateways ?? []).map(({ name }) => name),
        'the internet',
      )
    : policy.allResources
      ? 'all resources'
      : some(
          (policy.resources ?? []).map(({ name }) => name),
          'nothing',
        );

function some(given: readonly string[], none: string): string {
  const parts = given.filter((part) => part !== '');
  if (parts.length === 0) return none;
  return parts.length <= 3 ? parts.join(', ') : `${parts.slice(0, 3).join(', ')} and ${parts.length - 3} more`;
}

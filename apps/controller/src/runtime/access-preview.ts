import type { AccessDifference, World } from '@sallyport/policy';
import type { AccessPreview } from '../http/operations.ts';

/** Most pairs that an answer names. */
export const pairLimit = 500;
const sampleLimit = 20;

/** Returns a difference of access with names, for people. An object that only one world has is named by that world. */
export function accessPreview(before: World, after: World, difference: AccessDifference): AccessPreview {
  const { gained, lost, unchanged, samples } = difference;
  const pairs = samples.map(({ change, device, resource }) => {
    const owner = after.devices.get(device)?.user ?? before.devices.get(device)?.user ?? null;
    return {
      change,
      device: { id: device, name: (after.devices.get(device) ?? before.devices.get(device))?.name ?? '' },
      ...(owner === null ? {} : { user: ownerOf(before, after, owner) }),
      resource: { id: resource, name: (after.resources.get(resource) ?? before.resources.get(resource))?.name ?? '' },
    };
  });
  return { gained, lost, unchanged, samples: samples.slice(0, sampleLimit), pairs };
}

const ownerOf = (before: World, after: World, id: string) => ({
  id,
  email: (after.users.get(id) ?? before.users.get(id))?.email ?? '',
});

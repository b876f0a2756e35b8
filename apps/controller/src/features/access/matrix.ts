import type { Input, MatrixEntry } from '@sallyport/contract';
import { accessMatrixSteps, type MatrixFilter, type MatrixRow, type World } from '@sallyport/policy';
import { scoped } from '../../db/scoped.ts';
import { inSlices } from '../../slices.ts';
import type { AccessDeps } from './explain.ts';
import { type Names, resourceNames } from './store.ts';

/** Returns which device can reach which resource now, in slices of work. Unknown ids in filters match nothing. */
export async function matrix(
  { store, worlds }: Pick<AccessDeps, 'store' | 'worlds'>,
  tenant: string,
  query: Input<'accessMatrix'>['query'],
): Promise<AsyncIterable<MatrixEntry[]>> {
  // A copy, because the followed world changes meanwhile.
  const world = (await worlds.world(tenant)).with([]);
  const names = await resourceNames(scoped(store.db, tenant), world.resources.keys());
  return entries(world, names, accessMatrixSteps(world, store.now(), filterOf(query)));
}

async function* entries(world: World, names: Names, rows: Iterable<MatrixRow | null>): AsyncGenerator<MatrixEntry[]> {
  for await (const batch of inSlices(rows)) yield batch.map((row) => entry(world, names, row));
}

function entry(
  world: World,
  names: Names,
  { device: id, resource, policies, gateways, validUntil }: MatrixRow,
): MatrixEntry {
  const device = world.devices.get(id);
  const user = world.users.get(device?.user ?? '');
  return {
    device: { id, name: device?.name ?? '' },
    ...(user === undefined ? {} : { user: { id: user.id, email: user.email } }),
    resource: { id: resource, name: names.get(resource) ?? '' },
    policies: [...policies],
    gateways: [...gateways],
    ...(validUntil === null ? {} : { validUntil: new Date(validUntil).toISOString() }),
  };
}

function filterOf({ device, user, resource, gateway }: Input<'accessMatrix'>['query']): MatrixFilter {
  return {
    ...(device === undefined ? {} : { devices: idSet(device) }),
    ...(user === undefined ? {} : { users: idSet(user) }),
    ...(resource === undefined ? {} : { resources: idSet(resource) }),
    ...(gateway === undefined ? {} : { gateways: idSet(gateway) }),
  };
}

/** Given once or several times, in any letter case. */
const idSet = (given: string | readonly string[]): ReadonlySet<string> =>
  new Set([given].flat().map((id) => id.toLowerCase()));

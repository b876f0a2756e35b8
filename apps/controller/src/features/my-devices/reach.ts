import type { Input, MyExplanation, MyResource } from '@sallyport/contract';
import { ownAccessSteps, type PortRange, type ReachableResource, reachableSteps, type World } from '@sallyport/policy';
import { scoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import { notFound } from '../../errors.ts';
import { envelope, pageOf } from '../../http/paging.ts';
import type { DeviceQueries } from '../../objects/devices/queries.ts';
import { inSlices } from '../../slices.ts';

/** What the answers about a person's own access need. */
export interface ReachDeps {
  readonly store: Store;
  readonly worlds: { world(tenant: string): Promise<World> };
  readonly devices: Pick<DeviceQueries, 'ownNames'>;
}

/** The person who asks. */
export interface Asking {
  readonly tenant: string;
  readonly person: string;
}

/** A page of what the devices of a person reach now, by name of the resource. */
export async function myResources(deps: ReachDeps, asking: Asking, query: Input<'listMyResources'>['query']) {
  const names = await ownNames(deps, asking);
  // A copy, because the followed world changes meanwhile.
  const world = (await deps.worlds.world(asking.tenant)).with([]);
  const rows = new Map<string, MyResource>();
  for await (const batch of inSlices(reachableSteps(world, deps.store.now(), [...names.keys()])))
    for (const row of batch) add(rows, world, row, names.get(row.device) ?? '');
  const page = pageOf(query);
  const sorted = [...rows.values()].sort(byName);
  return envelope(sorted.slice(page.offset, page.offset + page.limit), sorted.length, page);
}

/** Devices that reach the same of a resource share a row. */
function add(rows: Map<string, MyResource>, world: World, reached: ReachableResource, device: string): void {
  const { resource: id, validUntil } = reached;
  const addresses = reached.addresses.map(({ prefix, ports }) => ({
    address: prefix.replace(/(?<=\.\d+)\/32$|\/128$/, ''),
    protocols: portsInWords(ports),
  }));
  const key = `${id} ${JSON.stringify(addresses)}`;
  const row = rows.get(key) ?? { id, name: world.resources.get(id)?.name ?? '', addresses, devices: [] };
  row.devices.push({ id: reached.device, name: device, ...until(validUntil) });
  rows.set(key, row);
}

/** Says whether a device of the person reaches an address. Throws `not_found` for the device of somebody else. */
export async function explainMine(
  deps: ReachDeps,
  asking: Asking,
  asked: Input<'explainMyAccess'>['body'],
): Promise<MyExplanation> {
  const id = asked.device.toLowerCase();
  const name = (await ownNames(deps, asking)).get(id);
  if (name === undefined) throw notFound();
  const world = await deps.worlds.world(asking.tenant);
  const at = asked.at === undefined ? deps.store.now() : Date.parse(asked.at);
  const { destination, port = 0 } = asked;
  const protocol = ({ TCP: 'tcp', UDP: 'udp', ICMP: 'icmp' } as const)[asked.protocol];
  const query = { device: id, destination, protocol, port, at };
  for await (const [answer] of inSlices(ownAccessSteps(world, query))) {
    if (answer === undefined) continue;
    const resources = answer.resources.map((one) => ({ id: one, name: world.resources.get(one)?.name ?? '' }));
    const { allowed, reason, validUntil } = answer;
    return { device: { id, name }, allowed, reason, at: new Date(at).toISOString(), ...until(validUntil), resources };
  }
  throw new Error('the steps ended without an answer');
}

const ownNames = ({ store, devices }: ReachDeps, { tenant, person }: Asking) =>
  devices.ownNames(scoped(store.db, tenant), person);

const until = (at: number | null): { validUntil?: string } =>
  at === null ? {} : { validUntil: new Date(at).toISOString() };

function portsInWords(ports: readonly PortRange[]): string[] {
  const whole = ports.filter(({ from, to }) => from <= 1 && to === 65535);
  if (new Set(whole.map(({ protocol }) => protocol)).size === 4) return ['everything'];
  return ports.map(({ protocol, from, to }) => {
    if (protocol === 'icmp') return 'ICMP';
    if (protocol === 'other') return 'other IP protocols';
    const kind = protocol.toUpperCase();
    if (from <= 1 && to === 65535) return `every ${kind} port`;
    return from === to ? `${kind} ${from}` : `${kind} ${from}-${to}`;
  });
}

const byName = (a: MyResource, b: MyResource): number =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : a.id < b.id ? -1 : a.id > b.id ? 1 : 0;

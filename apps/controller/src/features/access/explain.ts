import type { ExplainedPolicy, Explanation, Input } from '@sallyport/contract';
import {
  type AccessQuery,
  type Explanation as Explained,
  explainSteps,
  type Suggestion,
  type World,
  type WorldDevice,
} from '@sallyport/policy';
import type { Channel, DesiredStates } from '../../channel/types.ts';
import { type Scoped, scoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import { invalidField } from '../../errors.ts';
import type { GatewayQueries } from '../../objects/gateways/queries.ts';
import { breathe, inSlices } from '../../slices.ts';
import { agreement, explainedGateways, type InForce, inForce } from './carriers.ts';
import { type Names, policyNames, resourceNames } from './store.ts';
import { suggestionsFor, suggestionView } from './suggestions.ts';
import { idsOfName, type Target, targetOf } from './targets.ts';

/** What the explanation of access needs. */
export interface AccessDeps {
  readonly store: Store;
  readonly worlds: { world(tenant: string): Promise<World> };
  readonly states: Pick<DesiredStates, 'current'>;
  readonly channel: Pick<Channel, 'presence' | 'gather'>;
  readonly gateways: Pick<GatewayQueries, 'nested'>;
}

type Question = Input<'explainAccess'>['body'];

/** Explains access for the device, for each device of the user, or for a user without devices as if on a new one. */
export async function explainAccess(deps: AccessDeps, tenant: string, asked: Question): Promise<Explanation[]> {
  const first = await answerAll(deps, tenant, asked);
  // A commit between the two reads looks like a difference. A real difference is still there on the second try.
  const differs = first.some(({ gateways }) => gateways.some(({ applied }) => applied === 'differs'));
  return differs ? answerAll(deps, tenant, asked) : first;
}

async function answerAll(deps: AccessDeps, tenant: string, asked: Question): Promise<Explanation[]> {
  const now = deps.store.now();
  const at = asked.at === undefined ? now : Date.parse(asked.at);
  const { devices, known, ...given } = subject(await deps.worlds.world(tenant), asked);
  const target = targetOf(given.world, asked.destination);
  const { world } = target;
  const found: Found[] = [];
  for (const device of devices) {
    const [query, ...others] = target.addresses.map((destination) => queryOf({ ...asked, destination }, device, at));
    found.push(await firstAllowed(world, query as DeviceQuery, others));
    await breathe();
  }
  for (const one of found.filter(({ verdict }) => !verdict.allowed).slice(0, mostSuggested))
    one.suggestions = await suggestionsFor(world, one.query);
  const concerned = new Set(found.flatMap(({ gateways }) => gateways.map(({ gateway }) => gateway)));
  await Promise.all(reportsShown.map((kind) => deps.channel.gather([...concerned], kind)));
  const force = known && target.known ? await inForce(concerned, deps.channel, deps.states) : new Map();
  return deps.store.read(async (db) => {
    const names = await namesOf(deps, scoped(db, tenant), found, concerned);
    return found.map((one) => view({ ...one, target, world, names, force, now, known, channel: deps.channel }));
  });
}

/** What gateways of other processes are asked about: what is in force, and names. */
const reportsShown = ['statistics', 'probes'] as const;

/** Returns the explanation of the first query that is allowed; of the first one when none is. */
async function firstAllowed(world: World, query: DeviceQuery, others: readonly DeviceQuery[]): Promise<Found> {
  const first = await answer(world, query);
  if (first.verdict.allowed) return first;
  for (const other of others) {
    const found = await answer(world, other);
    if (found.verdict.allowed) return found;
  }
  return first;
}

async function answer(world: World, query: DeviceQuery): Promise<Found> {
  const explained: Explained[] = [];
  for await (const batch of inSlices(explainSteps(world, query))) explained.push(...batch);
  return { ...(explained[0] as Explained), query, suggestions: [] };
}

type DeviceQuery = AccessQuery & { device: string };
type Found = Explained & { readonly query: DeviceQuery; suggestions: readonly Suggestion[] };

/** Denied answers with suggestions. A user can have many devices. */
const mostSuggested = 3;

const queryOf = (asked: Question, device: string, at: number): DeviceQuery => ({
  device,
  destination: asked.destination,
  protocol: ({ TCP: 'tcp', UDP: 'udp', ICMP: 'icmp' } as const)[asked.protocol],
  port: asked.port ?? 0,
  at,
});

/** Returns the devices in question. A user without devices gets one without any known facts. */
function subject(
  world: World,
  { device, user }: Question,
): { world: World; devices: readonly string[]; known: boolean } {
  if (device !== undefined) {
    if (!world.devices.has(device)) throw invalidField('/device', 'is not the id of a device', 'invalid_reference');
    return { world, devices: [device], known: true };
  }
  if (user === undefined || !world.users.has(user))
    throw invalidField('/user', 'is not the id of a user', 'invalid_reference');
  const devices = [...world.devices.values()].filter((one) => one.user === user).map(({ id }) => id);
  if (devices.length > 0) return { world, devices, known: true };
  const value = unknownDevice(user);
  return { world: world.with([{ kind: 'device', id: value.id, value }]), devices: [value.id], known: false };
}

/** Returns a device of which only the owner is known. */
export const unknownDevice = (user: string): WorldDevice => ({
  id: `any device of ${user}`,
  active: true,
  user,
  name: '',
  hardwareId: '',
  appVersion: null,
  posture: {},
  sourceIp: null,
  country: null,
  publicKey: '',
  addresses: [],
  native: false,
  entryGateway: null,
  endpoint: null,
});

interface NamesOf {
  readonly policies: Names;
  readonly resources: Names;
  readonly gateways: Awaited<ReturnType<GatewayQueries['nested']>>;
}

async function namesOf(
  deps: AccessDeps,
  db: Scoped,
  found: readonly Found[],
  gateways: ReadonlySet<string>,
): Promise<NamesOf> {
  return {
    policies: await policyNames(
      db,
      found.flatMap(({ steps, suggestions }) => [
        ...steps.map(({ policy }) => policy),
        ...suggestions.flatMap(({ policy = [], before = [] }) => [policy, before].flat()),
      ]),
    ),
    resources: await resourceNames(
      db,
      found.flatMap(({ verdict }) => (verdict.allowed ? verdict.resources : [])),
    ),
    gateways: await deps.gateways.nested(db, [...gateways]),
  };
}

interface Told extends Found {
  readonly target: Target;
  readonly world: World;
  readonly names: NamesOf;
  readonly force: InForce;
  readonly now: number;
  readonly known: boolean;
  readonly channel: AccessDeps['channel'];
}

function view({ verdict, steps, gateways, query, world, names, target, ...rest }: Told): Explanation {
  const { force, now, known, channel } = rest;
  const device = known ? world.devices.get(query.device) : undefined;
  const resolution = (gateway: string) => resolutionOf(target, channel, gateway);
  const applied = (gateway: string) => agreement(world, query, gateway, force.get(gateway) ?? null, now);
  return {
    ...(device === undefined ? {} : { device: { id: device.id, name: device.name } }),
    allowed: verdict.allowed,
    reason: verdict.allowed ? 'a policy allows it' : verdict.reason,
    at: new Date(query.at).toISOString(),
    ...(verdict.validUntil === null ? {} : { validUntil: new Date(verdict.validUntil).toISOString() }),
    ...(verdict.policy === null ? {} : { policy: verdict.policy }),
    ...(target.name === null ? {} : { name: target.name }),
    resources: verdict.allowed ? verdict.resources.map((id) => ({ id, name: names.resources.get(id) ?? '' })) : [],
    policies: steps.map((step) => policyStep(world, step, names.policies)),
    gateways: explainedGateways(
      gateways,
      verdict.allowed ? verdict.gateways : [],
      names.gateways,
      channel,
      applied,
    ).map((one) => ({ ...one, ...resolution(one.id) })),
    ...(verdict.allowed
      ? {}
      : { suggestions: rest.suggestions.map((one) => suggestionView(world, query, one, names.policies)) }),
  };
}

/** Returns what a gateway reports about the name of a destination. */
function resolutionOf({ world, name }: Target, channel: AccessDeps['channel'], gateway: string) {
  const { probes } = channel.presence(gateway);
  const [detail] = name === null ? [] : idsOfName(world, name.name).flatMap((id) => probes.get(id)?.detail ?? []);
  return detail === undefined ? {} : { resolution: detail };
}

function policyStep(world: World, step: Explained['steps'][number], names: Names): ExplainedPolicy {
  const { policy: id, type, outcome, rule } = step;
  const why = outcome === 'skipped' && rule?.reason != null ? `: ${rule.reason}` : '';
  const order = world.policies.get(id)?.isDefault === true ? shownLast(world, type) : step.order;
  return {
    id,
    name: names.get(id) ?? '',
    type,
    order,
    outcome,
    reason: step.reason + why,
    ...(rule === undefined ? {} : { conditions: rule.conditions.map((condition) => ({ ...condition })) }),
  };
}

/** Returns the shown order of a default policy, which is after all others. */
const shownLast = (world: World, type: ExplainedPolicy['type']): number =>
  Math.max(0, ...world.policiesOf(type).flatMap(({ isDefault, order }) => (isDefault ? [] : [order]))) + 1;

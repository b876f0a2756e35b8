import { evaluate } from './evaluate.ts';
import { isAttachable, matchesDevice, matchesResource } from './matching.ts';
import { coversAddress, questionOf } from './question.ts';
import type { AccessQuery, WorldChange, WorldDevice, WorldPolicy, WorldResource } from './types.ts';
import type { World } from './world.ts';

/** A change that brings a denied connection nearer to being allowed. */
export interface Suggestion {
  readonly kind:
    | 'activate-device'
    | 'activate-user'
    | 'attach-gateway'
    | 'open-port'
    | 'join-group'
    | 'extend-policy'
    | 'meet-rule'
    | 'create-policy'
    | 'create-resource';
  /** Whether the change alone allows the connection. It was tried in a copy of the world. */
  readonly sufficient: boolean;
  readonly policy?: string;
  readonly group?: string;
  readonly resource?: string;
  /** A new policy has to be before this one, which denies. */
  readonly before?: string;
}

/** Most changes of existing policies that are tried, most changes in all, and most that are answered. */
const mostWidened = 16;
const mostTried = 24;
const mostAnswered = 10;

/** Changes that are worth a word even when another one has to follow. */
const steps: ReadonlySet<Suggestion['kind']> = new Set([
  'activate-device',
  'activate-user',
  'attach-gateway',
  'open-port',
  'create-resource',
]);

/**
 * Returns the smallest changes that would allow a denied connection, the best first. Yields null after each trial, so that
 * the caller can pause. Nothing is suggested for addresses where no resource can be.
 */
export function* suggestSteps(world: World, query: AccessQuery & { device: string }): Generator<Suggestion | null> {
  const device = world.devices.get(query.device);
  if (device === undefined) return;
  const found: Suggestion[] = [];
  let tried = 0;
  for (const { change, kind, sufficient: known, ...named } of candidates(world, query, device)) {
    if (tried++ >= mostTried) break;
    const sufficient = known ?? evaluate(world.with(change), query).allowed;
    if (sufficient || steps.has(kind)) found.push({ kind, sufficient, ...named });
    yield null;
  }
  yield* best(withoutRepeats(found));
}

interface Candidate extends Omit<Suggestion, 'sufficient'> {
  readonly change: readonly WorldChange[];
  /** Known without a trial. */
  readonly sufficient?: boolean;
}

/** Yields candidates, the smallest changes first. */
function* candidates(world: World, query: AccessQuery, device: WorldDevice): Generator<Candidate> {
  const owner = device.user === null ? undefined : world.users.get(device.user);
  if (!device.active)
    yield { kind: 'activate-device', change: [{ kind: 'device', id: device.id, value: { ...device, active: true } }] };
  if (owner?.active === false)
    yield { kind: 'activate-user', change: [{ kind: 'user', id: owner.id, value: { ...owner, active: true } }] };
  if (!device.active || owner?.active === false) return;
  const question = questionOf(world, query);
  if (typeof question === 'string') return;
  const targets = question.targets.filter(({ type }) => isAttachable(type));
  if (targets.length === 0) {
    if (question.configured) yield* openPorts(world, query);
    else yield { kind: 'create-resource', change: [], sufficient: false };
    return;
  }
  const reachable = targets.filter(({ gateways }) => gateways.length > 0);
  for (const resource of targets.filter((one) => !reachable.includes(one))) yield* attach(world, resource);
  yield* widened(world, reachable, device).take(mostWidened);
  for (const resource of reachable) yield* create(world, resource, device);
}

/** A resource has the address, but not the port. */
function* openPorts(world: World, query: AccessQuery): Generator<Candidate> {
  for (const resource of world.resources.values()) {
    if (!isAttachable(resource.type) || !coversAddress(resource, query.destination)) continue;
    const port = { protocol: query.protocol, from: query.port, to: query.port };
    const addresses = resource.addresses.map((address) => ({ ...address, ports: [...address.ports, port] }));
    const value = { ...resource, addresses };
    yield { kind: 'open-port', resource: resource.id, change: [{ kind: 'resource', id: resource.id, value }] };
  }
}

function* attach(world: World, resource: WorldResource): Generator<Candidate> {
  const gateway = [...world.gateways.values()].find(({ intent }) => intent !== 'OFFLINE');
  const value = { ...resource, gateways: gateway === undefined ? [] : [gateway.id] };
  yield { kind: 'attach-gateway', resource: resource.id, change: [{ kind: 'resource', id: resource.id, value }] };
}

function* widened(world: World, resources: readonly WorldResource[], device: WorldDevice): Generator<Candidate> {
  for (const resource of resources) yield* widen(world, resource, device);
}

/** Policies that allow the resource for others, or under a rule that is not met. */
function* widen(world: World, resource: WorldResource, device: WorldDevice): Generator<Candidate> {
  for (const policy of world.policiesOf(resource.type)) {
    if (!policy.allow || policy.isDefault || !matchesResource(policy, resource)) continue;
    const named = { policy: policy.id, resource: resource.id };
    if (matchesDevice(world, policy, device)) {
      const rule = world.rules.get(policy.rule);
      if (rule === undefined || rule.unrestricted) continue;
      const value = { ...rule, unrestricted: true };
      yield { kind: 'meet-rule', ...named, change: [{ kind: 'rule', id: rule.id, value }] };
      continue;
    }
    const owner = device.user === null ? undefined : world.users.get(device.user);
    for (const group of owner === undefined ? [] : policy.groups.filter((id) => world.groups.has(id)))
      if (owner !== undefined) {
        const value = { ...owner, groups: [...owner.groups, group] };
        yield { kind: 'join-group', group, ...named, change: [{ kind: 'user', id: owner.id, value }] };
      }
    const value: WorldPolicy =
      owner === undefined
        ? { ...policy, devices: [...policy.devices, device.id] }
        : { ...policy, users: [...policy.users, owner.id] };
    yield { kind: 'extend-policy', ...named, change: [{ kind: 'policy', id: policy.id, value }] };
  }
}

/** A new policy after all others, or else before the one that denies. */
function* create(world: World, resource: WorldResource, device: WorldDevice): Generator<Candidate> {
  const policies = world.policiesOf(resource.type);
  const last = Math.max(0, ...policies.filter(({ isDefault }) => !isDefault).map(({ order }) => order));
  const unrestricted = [...world.rules.values()].find((rule) => rule.unrestricted)?.id ?? '';
  const policy = (order: number): WorldPolicy => ({
    ...{ id: 'suggested', type: resource.type, order, allow: true, isDefault: false },
    ...{ allUsers: false, allGroups: false, allDevices: false, allResources: false },
    ...{ users: [], groups: [], devices: [device.id], resources: [resource.id], gateways: [], sourceIps: [] },
    ...{ rule: unrestricted, mode: null },
  });
  const change = (order: number): WorldChange[] => [{ kind: 'policy', id: 'suggested', value: policy(order) }];
  yield { kind: 'create-policy', resource: resource.id, change: change(last + 0.5) };
  const denying = policies.find(
    (one) => !one.allow && !one.isDefault && matchesResource(one, resource) && matchesDevice(world, one, device),
  );
  if (denying === undefined) return;
  yield { kind: 'create-policy', resource: resource.id, before: denying.id, change: change(denying.order - 0.5) };
}

/** Changes that suffice come first. A new policy is always among them, however many others could be widened. */
function best(found: readonly Suggestion[]): Suggestion[] {
  const created = found.filter(({ kind }) => kind === 'create-policy').slice(0, mostAnswered);
  const others = found.filter(({ kind }) => kind !== 'create-policy').slice(0, mostAnswered - created.length);
  return [...others, ...created].sort((a, b) => Number(b.sufficient) - Number(a.sufficient));
}

function withoutRepeats(found: readonly Suggestion[]): Suggestion[] {
  return [...new Map(found.map((one) => [JSON.stringify(one), one])).values()];
}

import type { World, WorldChange, WorldSettings } from '@sallyport/policy';
import type { Scoped } from '../db/scoped.ts';
import type { LoggedChange, ObjectKind } from '../db/store.ts';
import {
  drainingGateways,
  readDevices,
  readGateways,
  readGroups,
  readPolicies,
  readRelays,
  readResources,
  readRules,
  readTenant,
  readUsers,
  type readWorld,
} from './world-rows.ts';

const kinds = ['gateway', 'device', 'user', 'group', 'rule', 'resource', 'policy', 'relay'] as const;
type WorldKind = (typeof kinds)[number];
type WorldRows = NonNullable<Awaited<ReturnType<typeof readWorld>>>;

/** Returns what changes of objects mean for the world, from the rows of this moment. */
export async function worldChanges(db: Scoped, changes: readonly LoggedChange[]): Promise<WorldChange[]> {
  const found: WorldChange[] = [];
  const ofTenant = changes.some((change) => change.kind === 'tenant');
  for (const kind of kinds) {
    const touched = changes.filter((change) => change.kind === stored(kind)).map(({ id }) => id);
    const ids = [...new Set([...touched, ...(kind === 'gateway' && ofTenant ? await drainingGateways(db) : [])])];
    for (const part of slices(ids)) found.push(...(await read(db, kind, part)));
  }
  if (ofTenant) {
    const row = await readTenant(db);
    if (row !== null) found.push({ kind: 'settings', value: row.settings });
  }
  return found;
}

/** Returns a whole world as changes of the empty one. Its settings are given to the compiler when it is made. */
export function asChanges(world: WorldRows): WorldChange[] {
  return [
    ...world.gateways.map((value) => ({ kind: 'gateway' as const, id: value.id, value })),
    ...world.groups.map((value) => ({ kind: 'group' as const, id: value.id, value })),
    ...world.users.map((value) => ({ kind: 'user' as const, id: value.id, value })),
    ...world.devices.map((value) => ({ kind: 'device' as const, id: value.id, value })),
    ...world.rules.map((value) => ({ kind: 'rule' as const, id: value.id, value })),
    ...world.resources.map((value) => ({ kind: 'resource' as const, id: value.id, value })),
    ...world.policies.map((value) => ({ kind: 'policy' as const, id: value.id, value })),
    ...world.relays.map((value) => ({ kind: 'relay' as const, id: value.id, value })),
  ];
}

/** Returns the changes that lead from a world to another one, which is given whole. */
export function differences(from: World, settings: WorldSettings, to: readonly WorldChange[]): WorldChange[] {
  const left = new Set(to.flatMap((change) => ('id' in change ? [`${change.kind} ${change.id}`] : [])));
  const gone = kinds.flatMap((kind) =>
    [...objectsOf(from, kind).keys()].flatMap((id) => (left.has(`${kind} ${id}`) ? [] : [{ kind, id, value: null }])),
  );
  const others = to.filter((change) => 'id' in change && !isSame(from, change));
  return [...others, ...gone, { kind: 'settings', value: settings }];
}

/** Whether a change must be compiled. A gateway's row often changes in columns that decide nothing. */
export function isNews(world: World, change: WorldChange): boolean {
  return change.kind !== 'gateway' || !isSame(world, change);
}

type ObjectChange = Extract<WorldChange, { id: string }>;

function isSame(world: World, { kind, id, value }: ObjectChange): boolean {
  return JSON.stringify(objectsOf(world, kind).get(id) ?? null) === JSON.stringify(value);
}

function objectsOf(world: World, kind: WorldKind): ReadonlyMap<string, object> {
  return world[kind === 'policy' ? 'policies' : (`${kind}s` as const)];
}

const stored = (kind: WorldKind): ObjectKind => (kind === 'rule' ? 'admission-rule' : kind);

async function read(db: Scoped, kind: WorldKind, ids: readonly string[]): Promise<WorldChange[]> {
  switch (kind) {
    case 'gateway':
      return paired(kind, ids, await readGateways(db, ids));
    case 'device':
      return paired(kind, ids, await readDevices(db, ids));
    case 'user':
      return paired(kind, ids, await readUsers(db, ids));
    case 'group':
      return paired(kind, ids, await readGroups(db, ids));
    case 'rule':
      return paired(kind, ids, await readRules(db, ids));
    case 'resource':
      return paired(kind, ids, await readResources(db, ids));
    case 'policy':
      return paired(kind, ids, await readPolicies(db, ids));
    case 'relay':
      return paired(kind, ids, await readRelays(db, ids));
  }
}

function paired<K extends WorldKind, V extends { id: string }>(kind: K, ids: readonly string[], values: readonly V[]) {
  const byId = new Map(values.map((value) => [value.id, value]));
  return ids.map((id) => ({ kind, id, value: byId.get(id) ?? null })) as unknown as WorldChange[];
}

/** Ids per query: a statement takes a bounded number of parameters. */
const idsPerQuery = 1000;

function* slices<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < all.length; at += idsPerQuery) yield all.slice(at, at + idsPerQuery);
}

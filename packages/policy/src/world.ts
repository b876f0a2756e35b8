import type { PolicyType } from '@sallyport/contract';
import type {
  WorldChange,
  WorldDevice,
  WorldGateway,
  WorldGroup,
  WorldPolicy,
  WorldRelay,
  WorldResource,
  WorldRule,
  WorldSettings,
  WorldUser,
} from './types.ts';

/** The read-only world of one tenant. `with` makes another world that shares all unchanged objects. */
export class World {
  /** Returns a world without objects. */
  static empty(settings: WorldSettings): World {
    return new World(settings, null);
  }

  readonly gateways: ReadonlyMap<string, WorldGateway>;
  readonly devices: ReadonlyMap<string, WorldDevice>;
  readonly users: ReadonlyMap<string, WorldUser>;
  readonly groups: ReadonlyMap<string, WorldGroup>;
  readonly rules: ReadonlyMap<string, WorldRule>;
  readonly resources: ReadonlyMap<string, WorldResource>;
  readonly policies: ReadonlyMap<string, WorldPolicy>;
  readonly relays: ReadonlyMap<string, WorldRelay>;
  protected currentSettings: WorldSettings;
  protected ordered: ReadonlyMap<PolicyType, readonly WorldPolicy[]> | null = null;

  protected constructor(settings: WorldSettings, from: World | null) {
    this.currentSettings = settings;
    this.gateways = new Map(from?.gateways);
    this.devices = new Map(from?.devices);
    this.users = new Map(from?.users);
    this.groups = new Map(from?.groups);
    this.rules = new Map(from?.rules);
    this.resources = new Map(from?.resources);
    this.policies = new Map(from?.policies);
    this.relays = new Map(from?.relays);
  }

  /** The settings of the tenant. */
  get settings(): WorldSettings {
    return this.currentSettings;
  }

  /** Returns the policies of a type in the order of evaluation. */
  policiesOf(type: PolicyType): readonly WorldPolicy[] {
    this.ordered ??= byTypeInOrder(this.policies.values());
    return this.ordered.get(type) ?? [];
  }

  /** Returns a world with some changes applied. This world does not change. */
  with(changes: Iterable<WorldChange>): World {
    const next = MutableWorld.copyOf(this);
    for (const change of changes) next.apply(change);
    return next;
  }
}

/** A world that changes in place. Its owner passes it on as a `World`. */
export class MutableWorld extends World {
  /** Returns a mutable copy of a world. */
  static copyOf(world: World): MutableWorld {
    return new MutableWorld(world.settings, world);
  }

  /** Applies one change. */
  apply(change: WorldChange): void {
    switch (change.kind) {
      case 'settings':
        this.currentSettings = change.value;
        return;
      case 'gateway':
        put(this.gateways, change.id, change.value);
        return;
      case 'device':
        put(this.devices, change.id, change.value);
        return;
      case 'user':
        put(this.users, change.id, change.value);
        return;
      case 'group':
        put(this.groups, change.id, change.value);
        return;
      case 'rule':
        put(this.rules, change.id, change.value);
        return;
      case 'resource':
        put(this.resources, change.id, change.value);
        return;
      case 'policy':
        this.ordered = null;
        put(this.policies, change.id, change.value);
        return;
      case 'relay':
        put(this.relays, change.id, change.value);
        return;
      default:
        change satisfies never;
    }
  }
}

/**
 * Compares policies by order of evaluation within a type. `order` is unique in a stored world; a preview may need the
 * id.
 */
export function compareWithinType(a: WorldPolicy, b: WorldPolicy): number {
  return a.order - b.order || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

function byTypeInOrder(policies: Iterable<WorldPolicy>): Map<PolicyType, WorldPolicy[]> {
  const byType = Map.groupBy(policies, (policy) => policy.type);
  for (const list of byType.values()) list.sort(compareWithinType);
  return byType;
}

function put<T>(map: ReadonlyMap<string, T>, id: string, value: T | null): void {
  const own = map as Map<string, T>;
  if (value === null) own.delete(id);
  else own.set(id, value);
}

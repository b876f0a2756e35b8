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

/** Read-only world of one tenant. `with` makes another one and shares the objects that stay as they are. */
export class World {
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

  get settings(): WorldSettings {
    return this.currentSettings;
  }

  /** Policies of a type in the order in which they are walked. */
  policiesOf(type: PolicyType): readonly WorldPolicy[] {
    this.ordered ??= byTypeInOrder(this.policies.values());
    return this.ordered.get(type) ?? [];
  }

  /** This world after some changes; this one stays as it is. */
  with(changes: Iterable<WorldChange>): World {
    const next = MutableWorld.copyOf(this);
    for (const change of changes) next.apply(change);
    return next;
  }
}

/** A world that follows changes in place. Who hands it out hands it out as a `World`. */
export class MutableWorld extends World {
  static copyOf(world: World): MutableWorld {
    return new MutableWorld(world.settings, world);
  }

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
    }
  }
}

/** Order of evaluation within a type. `order` is unique in a stored world; the id settles what a preview makes equal. */
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

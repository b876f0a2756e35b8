import type { Attribute, WorldDevice } from '../types.ts';
import type { World } from '../world.ts';

/** The values that a rule can read, without the time. Null is unknown: a rule that reads it is not met. */
export interface RuleInputs {
  readonly user: {
    readonly id: string;
    readonly email: string;
    readonly department: string | null;
    readonly attributes: Readonly<Record<string, Attribute>>;
  } | null;
  /** Names of the user's groups. */
  readonly groups: readonly string[] | null;
  readonly device: {
    readonly id: string;
    readonly name: string;
    readonly hardwareId: string;
    readonly appVersion: string | null;
  } | null;
  readonly posture: Readonly<Record<string, Attribute>> | null;
  readonly source: { readonly ip: string | null; readonly country: string | null };
}

/** Returns the values of a device and its owner that rules can read. */
export function inputsOf(world: World, device: WorldDevice): RuleInputs {
  const user = (device.user === null ? undefined : world.users.get(device.user)) ?? null;
  const names = user?.groups.flatMap((id) => world.groups.get(id)?.name ?? []);
  return {
    user,
    groups: names?.sort() ?? null,
    device,
    posture: device.posture,
    source: { ip: device.sourceIp, country: device.country },
  };
}

/** The inputs of a site. Its packets come from many addresses, and no device reports facts. */
export const siteInputs: RuleInputs = {
  user: null,
  groups: null,
  device: null,
  posture: null,
  source: { ip: null, country: null },
};

/** Returns the value at a path like `user.attributes.level`; undefined when it is unknown. */
export function valueAt(inputs: RuleInputs, path: readonly string[]): unknown {
  let value: unknown = inputs;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value ?? undefined;
}

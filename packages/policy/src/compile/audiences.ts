import type { WorldDevice } from '../types.ts';
import { computed, Multimap } from './maps.ts';

/** Devices that have the same policies: what one may reach, all may reach. */
export class Audience {
  /** Sorted ids of the policies that match, without the universal ones. */
  readonly policies: readonly string[];
  readonly devices = new Set<string>();
  /** Gateways that have a place for it. */
  readonly gateways = new Set<string>();

  constructor(policies: readonly string[]) {
    this.policies = policies;
  }
}

/** Active devices grouped by their policies. */
export class Audiences {
  readonly #byKey = new Map<string, Audience>();
  readonly #byPolicy = new Multimap<Audience>();
  readonly #byDevice = new Map<string, Audience>();

  all(): Iterable<Audience> {
    return this.#byKey.values();
  }

  withPolicy(policy: string): ReadonlySet<Audience> {
    return this.#byPolicy.get(policy);
  }

  of(device: string): Audience | undefined {
    return this.#byDevice.get(device);
  }

  /** Puts a device where its policies belong. A deactivated or absent one (null) belongs nowhere: undefined. */
  assign(id: string, device: WorldDevice | null, policies: readonly string[]): Audience | undefined {
    this.#byDevice.get(id)?.devices.delete(id);
    this.#byDevice.delete(id);
    if (device === null || !device.active) return undefined;
    const audience = computed(this.#byKey, policies.join(' '), () => this.#found(policies));
    audience.devices.add(id);
    this.#byDevice.set(id, audience);
    return audience;
  }

  /** Forgets an audience that has no devices any more. */
  dissolve(audience: Audience): void {
    this.#byKey.delete(audience.policies.join(' '));
    for (const policy of audience.policies) this.#byPolicy.delete(policy, audience);
  }

  #found(policies: readonly string[]): Audience {
    const audience = new Audience(policies);
    for (const policy of policies) this.#byPolicy.add(policy, audience);
    return audience;
  }
}

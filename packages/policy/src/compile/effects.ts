import type { Audience } from './audiences.ts';
import { computed } from './maps.ts';

/** What is to be done again because of some changes. */
export class Effects {
  /** Gateways whose own item may be another one. */
  readonly interfaces = new Set<string>();
  /** Gateways whose destinations may be others. */
  readonly rebuild = new Set<string>();
  /** Gateways where these policies may have another outcome. */
  readonly concerned = new Map<string, Set<string>>();
  /** Changed policies that are universal or were. */
  readonly universal = new Set<string>();
  /** Devices to match with policies again, those of them that are changed, and those that end elsewhere. */
  readonly rematch = new Set<string>();
  readonly changed = new Set<string>();
  readonly moved = new Set<string>();
  /** Audiences without a place yet. */
  readonly founded = new Set<Audience>();
  /** Device items to renew by gateway. */
  readonly renewed = new Map<string, Set<string>>();
  readonly touched = new Set<string>();

  concern(gateway: string, policy: string): void {
    computed(this.concerned, gateway, () => new Set()).add(policy);
  }

  renew(gateway: string, device: string): void {
    computed(this.renewed, gateway, () => new Set()).add(device);
  }
}

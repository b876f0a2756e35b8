import { computed } from '../indexes/maps.ts';
import type { Audience } from './audiences.ts';

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
  readonly devices = new MemberEffects();
  readonly sites = new MemberEffects();
  /** Whether sites may be cut otherwise. */
  resite = false;
  /** Whether another zone is the tenant's. */
  rezone = false;
  /** Audiences without a place yet. */
  readonly founded = new Set<Audience>();
  /** Audiences that were placed anew on some gateway. */
  readonly placed = new Set<Audience>();
  /** Gateways through which devices may come in now, or no longer. */
  readonly entries = new Set<string>();
  /** Audiences of devices that come in through a gateway, with other members or ways now. */
  readonly entering = new Set<Audience>();
  readonly touched = new Set<string>();
  /** Policies for which other gateways may be the way now, or other resources the end of it. */
  readonly steering = new Set<string>();
  /** Gateways of which peers may be told otherwise. */
  readonly peers = new Set<string>();
  /** Gateways that came into service, or went. */
  readonly service = new Set<string>();
  /** Gateways of which other gateways may be told otherwise, or that reach others otherwise. */
  readonly links = new Set<string>();
  /** Pairs between which a gateway may relay otherwise, and devices that may be told so. */
  readonly pairs = new Set<string>();
  readonly clients = new Set<string>();
  /** Whether all agents may be told otherwise of beacons and relays. */
  common = false;
  settings = false;

  concern(gateway: string, policy: string): void {
    computed(this.concerned, gateway, () => new Set()).add(policy);
  }

  of(kind: 'device' | 'site'): MemberEffects {
    return kind === 'device' ? this.devices : this.sites;
  }
}

/** The same of devices or of sites. */
export class MemberEffects {
  /** Members to match with policies again, those of them that are changed, and those that end elsewhere. */
  readonly rematch = new Set<string>();
  readonly changed = new Set<string>();
  readonly moved = new Set<string>();
  /** Items to renew by gateway. */
  readonly renewed = new Map<string, Set<string>>();

  renew(gateway: string, member: string): void {
    computed(this.renewed, gateway, () => new Set()).add(member);
  }
}

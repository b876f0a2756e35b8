import type { Rematch } from '../audience/members.ts';
import type { GatewayChanges } from '../gateway/gateways.ts';
import { Multimap } from '../indexes/maps.ts';
import type { RelayChanges } from '../routing/pairs.ts';
import type { RouteChanges } from '../routing/route-changes.ts';

/** What a set of changes affects, one part for each phase that follows the intake. */
export interface Affected {
  readonly devices: Rematch;
  readonly sites: Rematch;
  /** Whether the tenant moved to another time zone. */
  readonly timeZone: boolean;
  /** Whether resources or policies changed, so that other policies may decide about a destination. */
  readonly destinations: boolean;
  readonly gateways: GatewayChanges;
  readonly routes: RouteChanges;
  readonly relays: RelayChanges;
}

/** An `Affected` while the intake writes it. Each change adds to it. */
export class AffectedDraft implements Affected {
  readonly devices = { members: new Set<string>(), changed: new Set<string>() };
  readonly sites = { members: new Set<string>(), changed: new Set<string>() };
  timeZone = false;
  destinations = false;
  readonly gateways = {
    items: new Set<string>(),
    rebuild: new Set<string>(),
    entries: new Set<string>(),
    policies: new Multimap(),
    common: false,
  };
  readonly routes = {
    settings: false,
    universal: new Set<string>(),
    steering: new Set<string>(),
    service: new Set<string>(),
    peers: new Set<string>(),
    neighbours: new Set<string>(),
  };
  readonly relays = { pairs: new Set<string>(), ends: new Set<string>(), items: new Multimap() };
  /** Whether sites have to be computed again. */
  resite = false;
}

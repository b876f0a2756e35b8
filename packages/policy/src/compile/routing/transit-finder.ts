import { isAttachable } from '../../matching.ts';
import type { Audience } from '../audience/audiences.ts';
import type { Regrouped } from '../audience/members.ts';
import type { Placed } from '../gateway/gateways.ts';
import { hostPrefix } from '../indexes/facts.ts';
import type { SiteIndex } from '../indexes/sites.ts';
import type { Links } from './links.ts';
import { affectEveryDevice, type RouteChanges } from './route-changes.ts';
import type { Tenant } from './tenant.ts';
import { type FoundTransits, type Transit, transitOf } from './transit.ts';

/** Finds the traffic between gateways: that of sites, and that of devices that come in through an entry gateway. */
export class TransitFinder {
  readonly #tenant: Tenant;
  readonly #links: Links;
  readonly #sites: SiteIndex;

  constructor(tenant: Tenant, links: Links, sites: SiteIndex) {
    this.#tenant = tenant;
    this.#links = links;
    this.#sites = sites;
  }

  /** Returns the transits that changes or placed audiences may have changed. */
  find(changes: RouteChanges, placed: Placed, devices: Regrouped<'device'>, sites: Regrouped<'site'>): FoundTransits {
    const found = new Map<string, Transit | null>();
    for (const id of this.#affectedSites(changes, placed, sites)) found.set(id, this.#siteTransit(id, sites));
    for (const audience of this.#affectedEntries(changes, placed, devices))
      found.set(transitId(audience), this.#entryTransit(audience));
    return found;
  }

  #affectedSites(changes: RouteChanges, placed: Placed, { rematched, audiences }: Regrouped): Set<string> {
    const affected = new Set(rematched);
    const add = (members: Iterable<string>) => {
      for (const id of members) affected.add(id);
    };
    if (changes.settings) add(this.#sites.ids());
    for (const { kind, members } of placed.audiences) if (kind === 'site') add(members);
    for (const policy of changes.steering) for (const { members } of audiences.withPolicy(policy)) add(members);
    for (const gateway of changes.service)
      add([...this.#links.behind(gateway)].filter((id) => this.#sites.get(id) !== undefined));
    return affected;
  }

  #siteTransit(id: string, { audiences }: Regrouped): Transit | null {
    const [site, audience] = [this.#sites.get(id), audiences.of(id)];
    if (site === undefined || audience === undefined) return null;
    const behind = (policy: string) => this.#tenant.policies.get(policy)?.gateways ?? [];
    return transitOf(this.#tenant, id, 'site', site.prefixes, this.#tenant.candidates(audience), behind);
  }

  #affectedEntries(changes: RouteChanges, placed: Placed, { audiences, entering }: Regrouped): Set<Audience> {
    const affected = new Set(entering);
    const add = (some: Iterable<Audience>) => {
      for (const audience of some) if (audience.entry !== null) affected.add(audience);
    };
    if (affectEveryDevice(changes, this.#tenant.policies)) add(audiences.entering);
    for (const policy of changes.steering) add(audiences.withPolicy(policy));
    add(placed.audiences);
    return affected;
  }

  /** Internet traffic is not passed on, because a gateway has only one default route. */
  #entryTransit(audience: Audience): Transit | null {
    const { entry, members } = audience;
    if (entry === null || members.size === 0) return null;
    const sources = [...members].sort().flatMap((id) => this.#tenant.world.devices.get(id)?.addresses ?? []);
    const candidates = this.#tenant.candidates(audience).filter(({ resource }) => isAttachable(resource.type));
    return transitOf(this.#tenant, transitId(audience), 'entry', sources.map(hostPrefix), candidates, () => [entry]);
  }
}

function transitId({ key }: Audience): string {
  return `entry ${key}`;
}

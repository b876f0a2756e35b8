import { isAttachable } from '../../matching.ts';
import type { Audience, Audiences } from '../audience/audiences.ts';
import type { Effects } from '../audience/effects.ts';
import { hostPrefix } from '../indexes/facts.ts';
import type { Site } from '../indexes/sites.ts';
import type { Links } from './links.ts';
import type { Tenant } from './tenant.ts';
import { type Transit, transitOf } from './transit.ts';

/** Finds who goes out through tunnels between gateways: sites, and devices that come in through one gateway. */
export class TransitFinder {
  readonly #tenant: Tenant;
  readonly #links: Links;
  readonly #sites: Audiences;
  readonly #devices: Audiences;

  constructor(tenant: Tenant, links: Links, sites: Audiences, devices: Audiences) {
    this.#tenant = tenant;
    this.#links = links;
    this.#sites = sites;
    this.#devices = devices;
  }

  renew(effects: Effects, sites: ReadonlyMap<string, Site>): void {
    for (const id of this.#staleSites(effects, sites)) this.#links.set(id, this.#siteTransit(id, sites.get(id)));
    for (const audience of this.#staleEntries(effects))
      this.#links.set(entryTransit(audience), this.#entryTransit(audience));
  }

  #staleSites(effects: Effects, sites: ReadonlyMap<string, Site>): Set<string> {
    const stale = new Set(effects.sites.rematch);
    if (effects.settings) for (const id of sites.keys()) stale.add(id);
    for (const { kind, members } of effects.placed) if (kind === 'site') for (const id of members) stale.add(id);
    for (const policy of effects.steering)
      for (const { members } of this.#sites.withPolicy(policy)) for (const id of members) stale.add(id);
    for (const gateway of effects.service)
      for (const id of this.#links.behind(gateway)) if (sites.has(id)) stale.add(id);
    return stale;
  }

  #siteTransit(id: string, site: Site | undefined): Transit | null {
    const audience = this.#sites.of(id);
    if (site === undefined || audience === undefined) return null;
    const behind = (policy: string) => this.#tenant.policies.get(policy)?.gateways ?? [];
    return transitOf(this.#tenant, id, 'site', site.prefixes, this.#tenant.candidates(audience), behind);
  }

  #staleEntries(effects: Effects): Set<Audience> {
    const { universal } = this.#tenant.policies;
    const stale = new Set(effects.entering);
    const steering = [...effects.steering];
    if (effects.settings || effects.universal.size > 0 || steering.some((policy) => universal.has(policy)))
      for (const audience of this.#devices.entering) stale.add(audience);
    for (const policy of steering)
      for (const audience of this.#devices.withPolicy(policy)) if (audience.entry !== null) stale.add(audience);
    for (const audience of effects.placed) if (audience.entry !== null) stale.add(audience);
    return stale;
  }

  /** The internet is not passed on: a gateway has one default route, for all that it does. */
  #entryTransit(audience: Audience): Transit | null {
    const { entry, members } = audience;
    if (entry === null || members.size === 0) return null;
    const sources = [...members].sort().flatMap((id) => this.#tenant.world.devices.get(id)?.addresses ?? []);
    const candidates = this.#tenant.candidates(audience).filter(({ resource }) => isAttachable(resource.type));
    return transitOf(this.#tenant, entryTransit(audience), 'entry', sources.map(hostPrefix), candidates, () => [entry]);
  }
}

function entryTransit({ key }: Audience): string {
  return `entry ${key}`;
}

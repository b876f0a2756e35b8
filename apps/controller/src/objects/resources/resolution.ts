import { type Gateway, isIpText, type Resource } from '@sallyport/contract';
import type { Channel } from '../../channel/types.ts';
import type { ResourceParts } from './store.ts';

/** Where the reports of gateways are read. */
export type PresenceSource = Pick<Channel, 'presence' | 'gather'>;

type NameReport = NonNullable<Resource['names']>[number];

/** Returns what the gateways of a private resource report about its names; none while they have reported nothing. */
export function nameReports(
  { row, addresses, gateways }: ResourceParts,
  known: ReadonlyMap<string, Pick<Gateway, 'id' | 'name'>>,
  channel: PresenceSource,
): NameReport[] {
  const names = namesOf({ row, addresses });
  if (names.length === 0) return [];
  return gateways.flatMap((id) => {
    const gateway = known.get(id);
    if (gateway === undefined) return [];
    const { probes } = channel.presence(id);
    return names.flatMap(({ id: probe, address }) => {
      const report = probes.get(probe);
      if (report === undefined) return [];
      const { reachable: resolves, detail: answer } = report;
      return [{ address, gateway: { id: gateway.id, name: gateway.name }, resolves, answer }];
    });
  });
}

/** Gateways whose reports about names answers show. */
export const reportersOf = (resources: readonly ResourceParts[]): string[] => [
  ...new Set(resources.flatMap((resource) => (namesOf(resource).length === 0 ? [] : resource.gateways))),
];

/** Addresses of a private resource that are names. */
const namesOf = ({ row, addresses }: Pick<ResourceParts, 'row' | 'addresses'>) =>
  addresses.filter(({ address }) => row.type === 'PRIVATE' && !isIpText(address));

const mostShown = 100;

/** Returns the reports that an answer shows: failures first, and not too many. */
export function shownReports(reports: readonly NameReport[]): NameReport[] {
  const [failed, others] = [false, true].map((wanted) => reports.filter(({ resolves }) => resolves === wanted));
  return [...(failed ?? []), ...(others ?? [])].slice(0, mostShown);
}

/** Returns why no name of a resource leads anywhere; null when one does, or an address of it is none. */
export function unresolvedReason({ addresses }: ResourceParts, reports: readonly NameReport[]): string | null {
  const [first] = reports;
  if (first === undefined || reports.some(({ resolves }) => resolves)) return null;
  if (addresses.some(({ address }) => isIpText(address))) return null;
  const told = new Set(reports.map(({ address }) => address));
  return addresses.every(({ address }) => told.has(address)) ? `None of its names resolves: ${first.answer}` : null;
}

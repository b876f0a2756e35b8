import { type AgentSession, clientOf, type PathsView } from '@sallyport/agent-core';
import { natOf, type Sighting } from '@sallyport/agent-runtime';
import type { StateItem } from '@sallyport/contract/channel';
import type { ClientStatus, GatewayStatus, ResourceStatus, RouteStatus } from '@sallyport/contract/local';
import type { RouteContest } from '@sallyport/hostnet';
import { canonicalPrefix } from '@sallyport/ip';
import type { NamesReport } from '../names/names.ts';
import { mtuAdvice } from '../netcheck/path-mtu.ts';
import type { Facts } from '../posture/read.ts';

/** Sources of a status. */
export interface StatusSources {
  readonly session: Pick<AgentSession, 'phase' | 'applied' | 'desired' | 'failure'>;
  readonly sighting: Sighting | null;
  readonly view: PathsView;
  readonly version: string;
  readonly pid: number | null;
  readonly device: string;
  readonly enrolled: boolean;
  readonly interface: string;
  readonly wireguard: ClientStatus['wireguard'];
  readonly controller: string;
  readonly notes: readonly string[];
  readonly contests?: readonly RouteContest[];
  /** Bytes that paths carry, by gateway. */
  readonly pathMtus?: ReadonlyMap<string, number | null>;
  readonly facts: Facts;
  readonly names?: NamesReport;
}

type Items = ReadonlyMap<string, StateItem>;

/** Builds the status of the client. */
export function clientStatusOf(sources: StatusSources): ClientStatus {
  const { phase, applied, desired, failure } = sources.session;
  const { items, statement } = desired;
  return {
    version: sources.version,
    pid: sources.pid,
    device: sources.device,
    enrolled: sources.enrolled,
    interface: sources.interface,
    wireguard: sources.wireguard,
    addresses: clientOf(items)?.addresses ?? [],
    controller: { url: sources.controller, connected: phase === 'live', phase },
    nat: natOf(sources.sighting, items),
    revision: applied?.revision.number ?? null,
    current: applied !== null && applied.hash === statement?.hash,
    leaseUntil: statement === null ? null : new Date(statement.leaseUntil).toISOString(),
    error: failure && { code: failure.code, message: failure.message },
    notes: [...sources.notes, ...mtuNotes(sources, items)],
    contests: (sources.contests ?? []).map((contest) => ({ ...contest })),
    gateways: sources.view.paths.map((path) => ({
      ...gatewayStatus(path, items),
      mtu: sources.pathMtus?.get(path.peer) ?? null,
    })),
    routes: sources.view.routes.map(routeStatus),
    resources: [...items.values()].flatMap((item) =>
      item.kind === 'resource' ? [resourceStatus(item, sources.view)] : [],
    ),
    ...namesStatus(sources),
    posture: { ...sources.facts },
  };
}

function namesStatus({ names, view }: StatusSources): Pick<ClientStatus, 'names'> {
  if (names === undefined || (names.names.length === 0 && !names.all)) return {};
  const resources = resourcesByAddress(view);
  return {
    names: {
      by: names.by,
      problem: names.problem,
      ...(names.all && { all: true }),
      names: names.names.map(({ id, addresses }) => ({
        name: id,
        addresses: [...addresses],
        resources: [...new Set(addresses.flatMap((address) => resources.get(address) ?? []))],
      })),
    },
  };
}

/** Returns the resources of each single address that is routed into the tunnel. */
function resourcesByAddress({ routes }: PathsView): ReadonlyMap<string, readonly string[]> {
  return new Map(routes.map(({ prefix, resources }) => [canonicalPrefix(prefix) ?? prefix, resources]));
}

function mtuNotes({ view, pathMtus = new Map() }: StatusSources, items: Items): string[] {
  const mtu = clientOf(items)?.mtu ?? null;
  return view.paths.flatMap(({ peer, name }) => mtuAdvice(name, pathMtus.get(peer) ?? null, mtu) ?? []);
}

function gatewayStatus(path: PathsView['paths'][number], items: Items): GatewayStatus {
  const item = items.get(`peer/${path.peer}`);
  return {
    id: path.peer,
    name: path.name,
    addresses: item?.kind === 'peer' ? [...item.addresses] : [],
    standing: path.standing,
    path: path.state,
    relay: path.relay === null ? null : { id: path.relay, name: gatewayName(path.relay, items) },
    endpoint: path.endpoint,
    rttMs: path.rttMs === null ? null : Math.round(path.rttMs * 100) / 100,
    lastHandshake: path.lastHandshake === null ? null : new Date(path.lastHandshake).toISOString(),
    rxBytes: path.rxBytes,
    txBytes: path.txBytes,
  };
}

/** Names a relay. A relay may carry nothing for this device; then only its id is known. */
export function gatewayName(id: string, items: Items): string {
  const item = items.get(`peer/${id}`);
  return item?.kind === 'peer' ? item.name : id;
}

function routeStatus({ prefix, mode, gateways, carrier, why }: PathsView['routes'][number]): RouteStatus {
  return {
    prefix,
    mode,
    gateways: gateways.map(({ gateway, against }) => ({ id: gateway, against })),
    carrier,
    why,
  };
}

function resourceStatus(
  { id, name, denied }: Extract<StateItem, { kind: 'resource' }>,
  view: PathsView,
): ResourceStatus {
  const routes = view.routes.filter(({ resources }) => resources.includes(id)).map(({ prefix }) => prefix);
  return { id, name, denied, routes };
}

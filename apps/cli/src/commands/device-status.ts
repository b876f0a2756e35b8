import type { ClientStatus, GatewayStatus, ResourceStatus, RouteStatus } from '@sallyport/contract/local';
import { natText } from '@sallyport/contract/nat-text';
import type { Session } from '../session.ts';
import type { Column } from '../table.ts';
import { moment } from '../text.ts';

/** Formats the state of this host's device, and which gateway carries each resource. */
export function renderDevice(session: Session, status: ClientStatus): string {
  const { controller, addresses, wireguard, interface: name, pid, nat } = status;
  const fields = session.details([
    ['This device', `${status.device}${status.enrolled ? '' : ' (not enrolled yet)'}`],
    [
      'Daemon',
      pid === null ? 'not running; the tunnel stays unchanged, and gateways enforce access' : `runs, process ${pid}`,
    ],
    ['Controller', `${controller.url}: ${controller.connected ? 'connected' : `not connected (${controller.phase})`}`],
    ['NAT', pid === null || nat === undefined ? undefined : natText(nat, controller.connected)],
    ['Tunnel', [name, ...addresses, ...(wireguard === null ? [] : [`WireGuard in ${places[wireguard]}`])].join(', ')],
    ['Names', namesOf(status)],
    ['State', stateOf(status)],
    ['Lease until', moment(status.leaseUntil)],
    ['Error', status.error?.message],
    ...[...status.notes, ...(status.names?.problem == null ? [] : [status.names.problem])].map(
      (note): [string, string] => ['Note', note],
    ),
  ]);
  const ways = rowsOf(status);
  const resources = ways.length === 0 ? '' : `\n${session.table(wayColumns, ways)}`;
  const gateways = status.gateways.length === 0 ? '' : `\n${session.table(gatewayColumns, status.gateways)}`;
  return `${fields}${resources}${gateways}`;
}

/** Returns whether the device works as intended. This is the device's part of the exit code. */
export function isWell({ pid, current, error }: ClientStatus): boolean {
  return pid !== null && current && error === null;
}

const places = { kernel: 'the kernel', userspace: 'user space', memory: 'memory' } as const;

interface Way {
  readonly name: string;
  readonly prefix: string;
  readonly gateway: GatewayStatus | undefined;
  /** Returns why this gateway was chosen, why there is none, or why access is denied. */
  readonly why: string;
}

const wayColumns: readonly Column<Way>[] = [
  { heading: 'RESOURCE', cell: (way) => way.name },
  { heading: 'DESTINATION', cell: (way) => way.prefix },
  { heading: 'GATEWAY', cell: (way) => way.gateway?.name ?? '-' },
  { heading: 'PATH', cell: (way) => (way.gateway === undefined ? '-' : pathOf(way.gateway)) },
  { heading: 'ROUND TRIP', cell: (way) => roundTrip(way.gateway) },
  { heading: 'WHY', cell: (way) => way.why },
];

const gatewayColumns: readonly Column<GatewayStatus>[] = [
  { heading: 'GATEWAY', cell: (gateway) => gateway.name },
  { heading: 'PATH', cell: pathOf },
  { heading: 'ROUND TRIP', cell: roundTrip },
  { heading: 'PATH MTU', cell: ({ mtu }) => (mtu == null ? '-' : String(mtu)) },
  { heading: 'LAST HANDSHAKE', cell: (gateway) => moment(gateway.lastHandshake) },
  { heading: 'ENDPOINT', cell: (gateway) => gateway.endpoint ?? '-' },
  { heading: 'TAKES FLOWS', cell: (gateway) => (gateway.standing === 'ACTIVE' ? 'yes' : `no: ${gateway.standing}`) },
];

/** Returns one line per destination of each resource. Routes without a resource lead to the internet. */
function rowsOf({ resources, routes, gateways }: ClientStatus): Way[] {
  const byId = new Map(gateways.map((gateway) => [gateway.id, gateway]));
  const way = (name: string, { prefix, carrier, why }: RouteStatus): Way => ({
    name,
    prefix,
    gateway: carrier === null ? undefined : byId.get(carrier),
    why,
  });
  const named = new Set(resources.flatMap((resource) => resource.routes));
  return [
    ...resources.flatMap((resource) => waysOf(resource, routes, way)),
    ...routes.filter(({ prefix }) => !named.has(prefix)).map((route) => way('(internet)', route)),
  ];
}

function waysOf(resource: ResourceStatus, routes: readonly RouteStatus[], way: (n: string, r: RouteStatus) => Way) {
  const own = routes.filter(({ prefix }) => resource.routes.includes(prefix));
  const denied = { name: resource.name, prefix: '-', gateway: undefined, why: `denied: ${resource.denied}` };
  return [...own.map((route) => way(resource.name, route)), ...(resource.denied === null ? [] : [denied])];
}

function pathOf({ path, relay }: GatewayStatus): string {
  return path === 'relayed' ? `relayed by ${relay?.name ?? 'another gateway'}` : path;
}

function roundTrip(gateway: GatewayStatus | undefined): string {
  return gateway?.rttMs == null ? '-' : `${gateway.rttMs} ms`;
}

/** Returns the host names that the device may reach, and how they resolve here. */
function namesOf({ names }: ClientStatus): string | undefined {
  if (names === undefined) return undefined;
  const shown = names.names.slice(0, mostNames).map(({ name }) => name);
  const more = names.names.length - shown.length;
  const rest = names.all === true ? ['all others through the tunnel'] : [];
  const list = [...shown, ...(more > 0 ? [`and ${more} more`] : []), ...rest].join(', ');
  return `${list} (${names.by === null ? 'this host does not ask for them' : `by ${ways[names.by]}`})`;
}

const mostNames = 10;
const ways = {
  resolved: 'systemd-resolved',
  networkmanager: 'the file of NetworkManager',
  'resolv.conf': '/etc/resolv.conf',
} as const;

function stateOf({ revision, current }: ClientStatus): string {
  if (revision === null) return 'nothing is in force yet';
  return current ? `in force, revision ${revision}` : `revision ${revision}, a newer one is being put in force`;
}

import { dnsServersText, type ResponseBody } from '@sallyport/contract';
import type { Answer } from '../client.ts';
import type { Session } from '../session.ts';
import { type Column, status } from '../table.ts';
import { byteCount, moment } from '../text.ts';

/** A gateway as the API returns it. */
export type Gateway = ResponseBody<'getGateway'>;

/** Columns of the table of gateways. */
export const gatewayColumns: readonly Column<Gateway>[] = [
  { heading: 'NAME', cell: (g) => g.name },
  { heading: 'STATUS', cell: (g) => status(g.status) },
  { heading: 'PORT', cell: (g) => g.wireguardPort },
  { heading: 'ENDPOINT', cell: (g) => g.endpoint ?? g.discoveredEndpoint ?? '-' },
  { heading: 'RESOURCES', cell: (g) => String(g.resources?.length ?? 0) },
  { heading: 'LAST ONLINE', cell: (g) => moment(g.lastOnline) },
  { heading: 'ID', cell: (g) => g.id },
];

/** Prints a gateway as JSON, or as text for people. The text never shows the token. */
export function showGateway(session: Session, answer: Answer<Gateway>): void {
  session.show(answer, (gateway, etag) => session.details(gatewayFields(gateway, etag)));
}

function gatewayFields(g: Gateway, etag: string | undefined): Parameters<Session['details']>[0] {
  const s = g.statistics;
  const endpoint =
    g.endpoint ?? (g.discoveredEndpoint === undefined ? undefined : `${g.discoveredEndpoint} (discovered)`);
  return [
    ['Name', g.name],
    ['Id', g.id],
    ['Status', status(g.status)],
    ['Error', g.error],
    ['Wanted', g.intent],
    ['Description', g.description],
    ['Port', g.wireguardPort],
    ['Endpoint', endpoint ?? 'not known yet'],
    ['Public key', g.publicKey],
    ['NAT', natOf(g)],
    ['Relay', relayOf(g)],
    ['Masquerade', g.masquerade === undefined ? undefined : onOrOff(g.masquerade)],
    ['MTU', g.mtu === undefined ? 'as the settings say' : String(g.mtu)],
    ['DNS servers', g.dnsServers === undefined ? undefined : dnsServersText(g.dnsServers)],
    ['Network', g.network],
    ['Resources', g.resources?.map((resource) => resource.name).join(', ') || '-'],
    ['Labels', g.labels?.join(', ')],
    ['Deployed on', moment(g.deployedOn)],
    ['Last online', moment(g.lastOnline)],
    ['Devices', s === undefined ? undefined : `${s.connectedDevices} connected`],
    ['Traffic', s === undefined ? undefined : `${byteCount(s.bytesIn)} in, ${byteCount(s.bytesOut)} out`],
    ['Last handshake', s === undefined ? undefined : moment(s.lastHandshake)],
    ['Applied', s?.appliedRevision === undefined ? undefined : `revision ${s.appliedRevision}, ${s.lag ?? 0} behind`],
    ['Version', versionOf(s?.agentVersion, s?.outdated)],
    ['Upgrade', upgradeText(g)],
    ['Clock', clockOf(s?.clockSkewSeconds)],
    ['Drained by', moment(s?.drainUntil)],
    ['Safe to stop', s?.safeToStop === undefined ? undefined : s.safeToStop ? 'yes' : 'no'],
    ['Updated at', moment(g.updatedAt)],
    ['ETag', etag],
  ];
}

/** Returns the version of an agent, and whether to upgrade it. */
export function versionOf(version: string | undefined, outdated: boolean | undefined): string | undefined {
  return outdated === true ? `${version} (older than the controller: upgrade it)` : version;
}

/** Returns what is known about the upgrade of a gateway, for people. */
function upgradeText({ upgrade, upgrades }: Gateway): string | undefined {
  const allowed = { ALLOWED: 'allowed', NOT_ALLOWED: 'not allowed by the host', NOT_POSSIBLE: 'only on the host' };
  if (upgrade === undefined) return upgrades && allowed[upgrades];
  const { state, from, version, reason, changedAt } = upgrade;
  return `${state.toLowerCase()}, from ${from} to ${version}, ${moment(changedAt)}${reason === undefined ? '' : `: ${reason}`}`;
}

function clockOf(skewSeconds: number | undefined): string | undefined {
  if (skewSeconds === undefined) return undefined;
  const where = skewSeconds > 0 ? 'ahead of' : 'behind';
  return `${Math.abs(skewSeconds)} s ${where} the controller's: set the host's clock by NTP`;
}

function natOf({ natMapping }: Gateway): string | undefined {
  if (natMapping === undefined) return undefined;
  return natMapping === 'ENDPOINT_INDEPENDENT'
    ? 'peers reach it at the discovered endpoint'
    : 'its NAT uses a different port for each destination: peers reach it through a relay, or at a configured endpoint';
}

function relayOf({ relayEnabled, relayPorts, statistics }: Gateway): string | undefined {
  if (relayEnabled === undefined) return undefined;
  if (!relayEnabled) return 'off';
  const ports = relayPorts === undefined ? '' : `, UDP ports ${relayPorts}`;
  const tunnels = statistics?.relayed === undefined ? '' : `, ${statistics.relayed} tunnels`;
  return `on${ports}${tunnels}`;
}

const onOrOff = (value: boolean): string => (value ? 'on' : 'off');

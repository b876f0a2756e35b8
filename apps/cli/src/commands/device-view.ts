import type { DevicePath, ResponseBody } from '@sallyport/contract';
import type { Answer } from '../client.ts';
import type { Session } from '../session.ts';
import { type Column, status } from '../table.ts';
import { moment } from '../text.ts';

/** A device as the API returns it. */
export type Device = ResponseBody<'getDevice'>;

/** Prints a device as JSON, or as text for people. */
export function showDevice(session: Session, answer: Answer<Device>): void {
  session.show(answer, (device, etag) =>
    session.details([
      ['Name', device.name],
      ['Id', device.id],
      ['Status', status(device.status)],
      ['Kind', device.kind],
      ['Connected', device.connected === undefined ? undefined : device.connected ? 'yes' : 'no'],
      ['Client', clientOf(device)],
      ['Connects through', device.entryGateway?.name],
      ['Active', device.active ? 'yes' : 'no'],
      ['Addresses', device.overlayAddresses?.join(', ')],
      ['Public key', device.publicKey],
      ['Owner', device.user === undefined ? undefined : (device.user.email ?? device.user.id)],
      ['Hardware id', device.hardwareId],
      ['App version', device.appVersion],
      ['Labels', device.labels?.join(', ')],
      ['Seen from', seenFrom(device)],
      ...Object.entries(device.posture ?? {}).map(
        ([name, value]) => [`Posture ${name}`, typeof value === 'string' ? value : JSON.stringify(value)] as const,
      ),
      ...(device.paths ?? []).map((path) => [`To ${path.gateway.name}`, pathText(path)] as const),
      ['Last connection', moment(device.lastConnection)],
      ['Updated at', moment(device.updatedAt)],
      ['ETag', etag],
    ]),
  );
}

/** Columns of the table of devices. */
export const deviceColumns: readonly Column<Device>[] = [
  { heading: 'NAME', cell: (d) => d.name },
  { heading: 'STATUS', cell: (d) => status(d.status) },
  { heading: 'KIND', cell: (d) => d.kind ?? '-' },
  { heading: 'ADDRESSES', cell: (d) => d.overlayAddresses?.join(', ') ?? '-' },
  { heading: 'OWNER', cell: (d) => d.user?.email ?? d.user?.id ?? '-' },
  { heading: 'LAST CONNECTION', cell: (d) => moment(d.lastConnection) },
  { heading: 'ID', cell: (d) => d.id },
];

function clientOf({ agent }: Device): string | undefined {
  if (agent === undefined) return undefined;
  const { version, hostname, os, kernel, outdated } = agent;
  return `${version} on ${hostname} (${os} ${kernel})${outdated === true ? ', older than the controller' : ''}`;
}

/** Returns how a device reaches a gateway, in words. */
export function pathText({ via, relay, rttMs }: DevicePath): string {
  const way = { DIRECT: 'direct', RELAYED: `relayed by ${relay?.name ?? 'a gateway'}`, NONE: 'no path found yet' }[via];
  return rttMs === undefined ? way : `${way}, ${rttMs.toFixed(1)} ms`;
}

function seenFrom({ sourceIp, country }: Device): string | undefined {
  return sourceIp === undefined ? undefined : sourceIp + (country === undefined ? '' : ` (${country})`);
}

import { WireGuardError } from '../errors.ts';
import { type CommandOptions, commandFailure, runCommand, tryCommand } from './command.ts';

/** A network link as `ip` describes it. */
export interface Link {
  /** `tun`, `tap`, `wireguard`, `veth`…; empty for hardware. */
  readonly kind: string;
  readonly mtu: number;
}

/** Reads the link with this name in our network namespace. Returns null if there is none. */
export async function readLink(name: string, options: CommandOptions): Promise<Link | null> {
  const args = ['-json', '-details', 'link', 'show', 'dev', name];
  const result = await tryCommand('ip', args, options);
  if (result.exitCode !== 0) {
    if (/does not exist|cannot find device/i.test(result.stderr)) return null;
    throw commandFailure('ip', args, result);
  }
  return parseLink(result.stdout);
}

/** Removes a link. Does nothing if the link does not exist. */
export async function deleteLink(name: string, options: CommandOptions): Promise<void> {
  const args = ['link', 'del', 'dev', name];
  const result = await tryCommand('ip', args, options);
  if (result.exitCode !== 0 && !/cannot find device/i.test(result.stderr)) throw commandFailure('ip', args, result);
}

/** Sets the MTU of a link, in bytes. */
export async function setMtu(name: string, mtu: number, options: CommandOptions): Promise<void> {
  await runCommand('ip', ['link', 'set', 'dev', name, 'mtu', String(mtu)], options);
}

/** Parses the output of `ip -json -details link show dev NAME`. Throws `protocol`. */
export function parseLink(json: string): Link {
  const link = onlyItem(json);
  const mtu = link.get('mtu');
  if (!Number.isInteger(mtu)) throw new WireGuardError('protocol', 'ip did not describe the link');
  const info = fields(link.get('linkinfo'));
  const data = fields(info.get('info_data'));
  const kind = info.get('info_kind');
  const isTap = kind === 'tun' && data.get('type') === 'tap';
  return { kind: isTap ? 'tap' : String(kind ?? ''), mtu: Number(mtu) };
}

function onlyItem(json: string): Map<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(json);
    return fields(Array.isArray(parsed) && parsed.length === 1 ? parsed[0] : null);
  } catch {
    return new Map();
  }
}

function fields(value: unknown): Map<string, unknown> {
  return new Map(typeof value === 'object' && value !== null ? Object.entries(value) : []);
}

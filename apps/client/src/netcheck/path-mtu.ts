import { execFile } from 'node:child_process';
import type { PathsView } from '@sallyport/agent-core';
import type { StateItem } from '@sallyport/contract/channel';

/** A gateway whose tunnel answers. */
export interface MtuTarget {
  readonly gateway: string;
  readonly name: string;
  /** IPv4 address of the gateway in the overlay. */
  readonly address: string;
  /** MTU of the tunnel. */
  readonly mtu: number;
  /** Identifies the path; it changes with the path to the gateway. */
  readonly way: string;
  readonly rttMs: number | null;
}

/** Returns whether one packet of this many bytes reaches an address and returns complete. */
export type Echo = (address: string, bytes: number, timeoutMs: number) => Promise<boolean>;

/** Returns gateways that can be measured now. */
export function mtuTargets(view: PathsView, items: ReadonlyMap<string, StateItem>): MtuTarget[] {
  const client = items.get('client');
  if (client?.kind !== 'client') return [];
  return view.paths.flatMap(({ peer, name, state, endpoint, rttMs }) => {
    const item = items.get(`peer/${peer}`);
    const address = item?.kind === 'peer' ? item.addresses.find((text) => !text.includes(':')) : undefined;
    if (address === undefined || (state !== 'direct' && state !== 'relayed')) return [];
    return [{ gateway: peer, name, address, mtu: client.mtu, way: `${state} ${endpoint} ${client.mtu}`, rttMs }];
  });
}

/**
 * Measures the largest packet of the tunnel, in bytes, that reaches a gateway and returns. The result is the tunnel's
 * MTU, or a smaller size to within 8 bytes. Null means that the gateway answers no echo of any size. One lost packet is
 * no evidence: a full packet counts as too large after five losses while smaller packets pass.
 */
export async function measureMtu({ address, mtu, rttMs }: MtuTarget, echo: Echo = ping): Promise<number | null> {
  const timeoutMs = Math.min(1_500, Math.max(400, 4 * (rttMs ?? 100)));
  const passes = async (bytes: number, tries = 2): Promise<boolean> => {
    const answers = await Promise.all(Array.from({ length: tries }, () => echo(address, bytes, timeoutMs)));
    return answers.includes(true);
  };
  if (await passes(mtu)) return mtu;
  let [fits, tooLarge] = [smallest, mtu];
  if (mtu <= smallest || !(await passes(fits))) return null;
  while (tooLarge - fits > 8) {
    const middle = fits + Math.max(1, Math.floor((tooLarge - fits) / 16)) * 8;
    if (await passes(middle)) fits = middle;
    else tooLarge = middle;
  }
  return (await passes(mtu, 3)) ? mtu : fits;
}

/** Returns advice; null when none is needed. */
export function mtuAdvice(name: string, carries: number | null, mtu: number | null): string | null {
  if (carries === null || mtu === null || carries >= mtu) return null;
  const without = carries < 1280 && mtu >= 1280 ? ' Below 1280 the tunnel carries no IPv6.' : '';
  return `Packets of ${mtu} bytes are lost on the path to gateway ${name}, packets of ${carries} bytes get through, so transfers stall. An administrator should set the MTU to ${carries} or less (sally settings set --mtu ${carries}).${without}`;
}

/** Every IPv4 path carries this size, fragmented or whole (RFC 791); no tunnel is narrower. */
const smallest = 576;
const headers = 28;

/** Uses the system's `ping`, which may open a raw socket. The packet is not fragmented, so its whole size counts. */
function ping(address: string, bytes: number, timeoutMs: number): Promise<boolean> {
  const size = String(bytes - headers);
  const args = ['-n', '-q', '-c', '1', '-W', String(Math.ceil(timeoutMs / 1000)), '-M', 'do', '-s', size, address];
  const env = { PATH: '/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C' };
  return new Promise((resolve) => {
    execFile('ping', args, { env, timeout: timeoutMs, killSignal: 'SIGKILL' }, (error) => resolve(error === null));
  });
}

import type { DevicePath } from '@sallyport/contract';
import type { PathReport } from '@sallyport/contract/channel';

/** Returns the ids of all gateways that the paths name. */
export const gatewaysOnPaths = (paths: readonly PathReport[]): string[] =>
  paths.flatMap(({ peer, via }) => (via === null || via === 'direct' ? [peer] : [peer, via]));

/** Returns paths in the form of answers, sorted by name of the gateway. Paths of deleted gateways are left out. */
export function devicePaths(paths: readonly PathReport[], names: ReadonlyMap<string, string>): DevicePath[] {
  const shown = paths.flatMap(({ peer, via, rttMs }) => {
    const name = names.get(peer);
    if (name === undefined) return [];
    const rtt = rttMs === null ? {} : { rttMs };
    return [{ gateway: { id: peer, name }, ...viaOf(via, names), ...rtt }];
  });
  return shown.sort((a, b) => compare(a.gateway.name, b.gateway.name) || compare(a.gateway.id, b.gateway.id));
}

function viaOf(via: PathReport['via'], names: ReadonlyMap<string, string>): Pick<DevicePath, 'via' | 'relay'> {
  if (via === null) return { via: 'NONE' };
  if (via === 'direct') return { via: 'DIRECT' };
  const name = names.get(via);
  return name === undefined ? { via: 'RELAYED' } : { via: 'RELAYED', relay: { id: via, name } };
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

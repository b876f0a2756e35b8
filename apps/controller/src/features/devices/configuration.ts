import { createHash } from 'node:crypto';
import { type DeviceConfiguration, type Gateway, privateKeyPlaceholder } from '@sallyport/contract';
import type { gatewaysFor, World } from '@sallyport/policy';
import { configurationText, type PlainPeer } from '@sallyport/wireguard';
import { endpointWithPort } from '../../endpoints.ts';
import type { DeviceRow } from './store.ts';

/** Keeps the mapping of a NAT in front of the device open, seconds. */
const keepalive = 25;

/**
 * WireGuard configuration of a plain device: one peer for each gateway that carries something for it. Gateways that
 * cannot be a peer yet are left out, and a comment says which and why. The same world gives the same text.
 */
export function deviceConfiguration(
  device: DeviceRow,
  world: World,
  reach: ReturnType<typeof gatewaysFor>,
  gateways: ReadonlyMap<string, Gateway>,
): DeviceConfiguration {
  const peers: PlainPeer[] = [];
  const comments: string[] = [];
  for (const [id, prefixes] of [...reach].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const gateway = gateways.get(id);
    const overlay = world.gateways.get(id)?.addresses ?? [];
    const peer = gateway === undefined ? 'it is gone' : peerOf(gateway, [...overlay, ...prefixes]);
    if (typeof peer !== 'string') peers.push(peer);
    else comments.push(`Left out: gateway "${gateway?.name ?? id}", ${peer}.`);
  }
  if (device.active !== 1) comments.push('This device is deactivated.');
  else if (peers.length === 0)
    comments.push('Nothing can be reached yet: no policy gives this device a resource on a gateway that is ready.');
  const configuration = configurationText({
    privateKey: { placeholder: privateKeyPlaceholder },
    addresses: [`${device.overlay_v4}/32`, `${device.overlay_v6}/128`],
    mtu: world.settings.mtu,
    peers,
  });
  const text = comments.map((comment) => `# ${comment}\n`).join('') + configuration;
  return { revision: createHash('sha256').update(text).digest('hex').slice(0, 16), text };
}

/** The gateway as a peer, or why it cannot be one. Its own addresses are in it, for the errors that it sends. */
function peerOf(gateway: Gateway, allowedIps: readonly string[]): PlainPeer | string {
  if (gateway.publicKey === undefined) return 'it has not been deployed yet';
  const given = gateway.endpoint ?? gateway.discoveredEndpoint;
  if (given === undefined) return 'it has no endpoint: none was given and none has been discovered';
  const endpoint = endpointWithPort(given, Number(gateway.wireguardPort));
  if (endpoint === null) return `WireGuard cannot use its endpoint ${given}`;
  return { publicKey: gateway.publicKey, endpoint, allowedIps, persistentKeepalive: keepalive };
}

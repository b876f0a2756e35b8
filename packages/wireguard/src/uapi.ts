import { canonicalCidr, canonicalEndpoint } from './address.ts';
import { invalid } from './errors.ts';
import { keyToHex } from './keys.ts';
import type { DeviceChange, PeerChange, PeerConfig } from './types.ts';

/** Request for the complete state. Its answer holds the private key: decode it at once and keep nothing else. */
export const UAPI_GET = 'get=1\n\n';

/**
 * Encodes a change as one UAPI `set` request (https://www.wireguard.com/xplatform/), in the order key, mark, port, peers. It
 * never uses `replace_peers`. Throws `invalid` for malformed values.
 */
export function encodeSet(change: DeviceChange): string {
  const lines = ['set=1'];
  if (change.privateKey !== undefined) lines.push(`private_key=${keyToHex(change.privateKey, 'private key')}`);
  if (change.fwmark !== undefined) lines.push(`fwmark=${checkRange(change.fwmark, 0xffffffff, 'fwmark')}`);
  if (change.listenPort !== undefined) lines.push(`listen_port=${checkRange(change.listenPort, 0xffff, 'port')}`);
  for (const step of change.peers) lines.push(...encodePeer(step));
  return `${lines.join('\n')}\n\n`;
}

/** Checks an integer 0..`max`. Throws `invalid`. */
export function checkRange(value: number, max: number, what: string): number {
  if (!Number.isInteger(value) || value < 0 || value > max) throw invalid(`${what} must be an integer 0..${max}`);
  return value;
}

function encodePeer(step: PeerChange): string[] {
  if (step.kind === 'remove') return [`public_key=${keyToHex(step.publicKey, 'public key')}`, 'remove=true'];
  const { peer } = step;
  return [
    `public_key=${keyToHex(peer.publicKey, 'public key')}`,
    `preshared_key=${peer.presharedKey === undefined ? NO_KEY : keyToHex(peer.presharedKey, 'preshared key')}`,
    ...(peer.endpoint === undefined ? [] : [`endpoint=${canonicalEndpoint(peer.endpoint)}`]),
    'replace_allowed_ips=true',
    ...peer.allowedIps.map((cidr) => `allowed_ip=${canonicalCidr(cidr)}`),
    `persistent_keepalive_interval=${keepalive(peer)}`,
  ];
}

/** Returns the keepalive line. It follows the allowed IPs, because setting it may send the first packet. */
function keepalive(peer: PeerConfig): number {
  return checkRange(peer.persistentKeepalive ?? 0, 0xffff, 'keepalive');
}

const NO_KEY = '0'.repeat(64);

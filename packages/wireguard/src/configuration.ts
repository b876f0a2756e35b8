import {
  canonicalAddress,
  canonicalCidr,
  canonicalEndpoint,
  canonicalInterfaceAddress,
  parsePort,
  quote,
} from './address.ts';
import { invalid } from './errors.ts';
import { parseKey } from './keys.ts';
import { checkRange } from './uapi.ts';

/** Identity of a plain device: its private key, or a placeholder that the owner replaces with the key. */
export type PrivateKeyText = { readonly key: string } | { readonly placeholder: string };

/** Gateway settings in the configuration of a plain device. */
export interface PlainPeer {
  readonly publicKey: string;
  readonly presharedKey?: string;
  /** Address or host name, with port. */
  readonly endpoint?: string;
  readonly allowedIps: readonly string[];
  readonly persistentKeepalive?: number;
}

/** Configuration of a WireGuard app. */
export interface PlainConfiguration {
  readonly privateKey: PrivateKeyText;
  /** Addresses of the device in the tunnel, with prefix. */
  readonly addresses: readonly string[];
  readonly listenPort?: number;
  /** Bytes, 576..65535. */
  readonly mtu?: number;
  /** Addresses of resolvers. */
  readonly dns?: readonly string[];
  readonly peers: readonly PlainPeer[];
}

/** Returns the configuration as wg-quick(8) text, which every WireGuard app reads. It is deterministic. Throws `invalid`. */
export function configurationText(configuration: PlainConfiguration): string {
  const sections = [interfaceLines(configuration), ...configuration.peers.map(peerLines)];
  return `${sections.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

/** Checks a placeholder: one word that cannot be confused with a base64 key. */
export function checkPlaceholder(text: string): string {
  if (!/^[A-Za-z0-9_<>-]{1,40}$/.test(text)) throw invalid(`not a placeholder: ${quote(text)}`);
  return text;
}

/** Checks an endpoint that may be a host name (RFC 1123, not all digits and dots) or an address, with port. */
export function checkHostEndpoint(text: string): string {
  const match = /^([A-Za-z0-9.-]{1,253}):([0-9]{1,5})$/.exec(text);
  const host = match?.[1];
  if (host === undefined || !/[A-Za-z]/.test(host)) return canonicalEndpoint(text);
  if (!host.split('.').every((label) => HOST_LABEL.test(label))) throw invalid(`not a host name: ${quote(host)}`);
  return `${host}:${parsePort(match?.[2] ?? '')}`;
}

/** Checks an MTU in bytes. */
export function checkMtu(mtu: number): number {
  if (checkRange(mtu, 65535, 'MTU') < 576) throw invalid('MTU must be at least 576');
  return mtu;
}

function interfaceLines(configuration: PlainConfiguration): string[] {
  const { addresses, listenPort, mtu, dns } = configuration;
  if (addresses.length === 0) throw invalid('a configuration needs an address');
  return [
    '[Interface]',
    `PrivateKey = ${privateKeyText(configuration.privateKey)}`,
    `Address = ${addresses.map(canonicalInterfaceAddress).join(', ')}`,
    ...(listenPort === undefined ? [] : [`ListenPort = ${checkRange(listenPort, 0xffff, 'port')}`]),
    ...(mtu === undefined ? [] : [`MTU = ${checkMtu(mtu)}`]),
    ...(dns === undefined || dns.length === 0 ? [] : [`DNS = ${dns.map(checkResolver).join(', ')}`]),
  ];
}

function privateKeyText(privateKey: PrivateKeyText): string {
  if ('placeholder' in privateKey) return checkPlaceholder(privateKey.placeholder);
  parseKey(privateKey.key, 'private key');
  return privateKey.key;
}

function checkResolver(text: string): string {
  canonicalAddress(text);
  return text;
}

function peerLines(peer: PlainPeer): string[] {
  parseKey(peer.publicKey, 'public key');
  if (peer.presharedKey !== undefined) parseKey(peer.presharedKey, 'preshared key');
  const { persistentKeepalive } = peer;
  return [
    '[Peer]',
    `PublicKey = ${peer.publicKey}`,
    ...(peer.presharedKey === undefined ? [] : [`PresharedKey = ${peer.presharedKey}`]),
    ...(peer.endpoint === undefined ? [] : [`Endpoint = ${checkHostEndpoint(peer.endpoint)}`]),
    ...(peer.allowedIps.length === 0 ? [] : [`AllowedIPs = ${peer.allowedIps.map(canonicalCidr).join(', ')}`]),
    ...(persistentKeepalive === undefined
      ? []
      : [`PersistentKeepalive = ${checkRange(persistentKeepalive, 0xffff, 'keepalive')}`]),
  ];
}

const HOST_LABEL = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;

import { canonicalCidr, canonicalEndpoint } from '../address.ts';
import { WireGuardError } from '../errors.ts';
import { parseKey, presharedKeyHash } from '../keys.ts';
import type { DeviceChange, DeviceStatus, PeerChange, PeerConfig, PeerStatus } from '../types.ts';
import { checkRange } from '../uapi.ts';

/** One call of `wg`. It reads `input` from /dev/fd/3. Secrets are only in the input, never in the arguments. */
export interface WgCommand {
  readonly args: readonly string[];
  readonly input?: string;
}

/** Returns the calls of `wg` for a change, in the order that `WireGuardBackend.apply` promises. */
export function wgCommands(name: string, change: DeviceChange): WgCommand[] {
  const device = interfaceText(change);
  const { listenPort } = change;
  return [
    ...(device === '' ? [] : [addconf(name, device)]),
    ...(listenPort === undefined ? [] : [{ args: ['set', name, 'listen-port', portText(listenPort)] }]),
    ...runs(change.peers).flatMap((run) => peerCommands(name, run)),
  ];
}

/**
 * Parses the output of `wg show NAME dump`. Validates every value and skips the column of the private key. Throws
 * `protocol` without quoting a value.
 */
export function parseDump(output: string): DeviceStatus {
  const lines = output.split('\n');
  if (lines.pop() !== '') throw malformed('is cut off');
  const [device = '', ...rest] = lines;
  const [, publicKey = '', listenPort = '', fwmark = '', ...surplus] = device.split('\t');
  if (fwmark === '' || surplus.length > 0) throw malformed('does not begin with a device of four columns');
  const peers = new Map<string, PeerStatus>();
  for (const line of rest) {
    const peer = parsePeer(line.split('\t'));
    if (peers.has(peer.publicKey)) throw malformed('names a peer twice');
    peers.set(peer.publicKey, peer);
  }
  return {
    publicKey: publicKey === NONE ? null : checked('public key', () => publicKeyText(publicKey)),
    listenPort: integer(listenPort, 0xffff),
    fwmark: fwmark === 'off' ? 0 : integer(fwmark, 0xffffffff),
    peers,
  };
}

/** Groups consecutive steps of one kind, so that each group is one call. */
function* runs(steps: readonly PeerChange[]): Generator<PeerChange[]> {
  let run: PeerChange[] = [];
  for (const step of steps) {
    if (run.length > 0 && (run[0]?.kind !== step.kind || run.length === MAX_PEERS_PER_CALL)) {
      yield run;
      run = [];
    }
    run.push(step);
  }
  if (run.length > 0) yield run;
}

function peerCommands(name: string, run: readonly PeerChange[]): WgCommand[] {
  const removed = run.flatMap((step) => (step.kind === 'remove' ? [publicKeyText(step.publicKey)] : []));
  const sections = run.flatMap((step) => (step.kind === 'set' ? [peerText(step.peer)] : []));
  return [
    ...(removed.length === 0 ? [] : [{ args: ['set', name, ...removed.flatMap((key) => ['peer', key, 'remove'])] }]),
    ...(sections.length === 0 ? [] : [addconf(name, sections.join(''))]),
  ];
}

/** Returns the input of `addconf`, which replaces the named settings of a peer and leaves other peers unchanged. */
function addconf(name: string, input: string): WgCommand {
  return { args: ['addconf', name, '/dev/fd/3'], input };
}

function portText(port: number): string {
  return String(checkRange(port, 0xffff, 'port'));
}

function interfaceText(change: DeviceChange): string {
  const lines: string[] = [];
  if (change.privateKey !== undefined) {
    parseKey(change.privateKey, 'private key');
    lines.push(`PrivateKey = ${change.privateKey}`);
  }
  if (change.fwmark !== undefined) lines.push(`FwMark = ${checkRange(change.fwmark, 0xffffffff, 'fwmark')}`);
  return lines.length === 0 ? '' : `[Interface]\n${lines.join('\n')}\n`;
}

function peerText(peer: PeerConfig): string {
  if (peer.presharedKey !== undefined) parseKey(peer.presharedKey, 'preshared key');
  const lines = [
    '[Peer]',
    `PublicKey = ${publicKeyText(peer.publicKey)}`,
    `PresharedKey = ${peer.presharedKey ?? ZERO_KEY}`,
    ...(peer.endpoint === undefined ? [] : [`Endpoint = ${canonicalEndpoint(peer.endpoint)}`]),
    ...(peer.allowedIps.length === 0 ? [] : [`AllowedIPs = ${peer.allowedIps.map(canonicalCidr).join(', ')}`]),
    `PersistentKeepalive = ${checkRange(peer.persistentKeepalive ?? 0, 0xffff, 'keepalive')}`,
  ];
  return `${lines.join('\n')}\n`;
}

function parsePeer(columns: readonly string[]): PeerStatus {
  if (columns.length !== 8) throw malformed('holds a peer that has not eight columns');
  const [key = '', psk = '', endpoint = '', ranges = '', handshake = '', rx = '', tx = '', keepalive = ''] = columns;
  const hash = psk === NONE ? null : checked('preshared key', () => presharedKeyHash(psk));
  const seconds = integer(handshake, MAX_SECONDS);
  return {
    publicKey: checked('public key', () => publicKeyText(key)),
    ...(hash === null ? {} : { presharedKeyHash: hash }),
    ...(endpoint === NONE ? {} : { endpoint: checked('endpoint', () => canonicalEndpoint(endpoint)) }),
    allowedIps: ranges === NONE ? [] : checked('allowed IPs', () => ranges.split(',').map(canonicalCidr)),
    ...(keepalive === 'off' || keepalive === '0' ? {} : { persistentKeepalive: integer(keepalive, 0xffff) }),
    lastHandshake: seconds === 0 ? null : seconds * 1000,
    rxBytes: integer(rx, Number.MAX_SAFE_INTEGER),
    txBytes: integer(tx, Number.MAX_SAFE_INTEGER),
  };
}

function publicKeyText(text: string): string {
  parseKey(text, 'public key');
  return text;
}

function integer(text: string, max: number): number {
  if (!/^(0x[0-9a-f]{1,8}|[0-9]{1,16})$/.test(text) || Number(text) > max) throw malformed('holds a malformed number');
  return Number(text);
}

function checked<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch {
    throw malformed(`holds a malformed ${what}`);
  }
}

function malformed(what: string): WireGuardError {
  return new WireGuardError('protocol', `the output of wg show ${what}`);
}

const NONE = '(none)';
const ZERO_KEY = Buffer.alloc(32).toString('base64');
/** Splits arguments far below the kernel's limits (128 KiB for one, 2 MiB for all). */
const MAX_PEERS_PER_CALL = 1000;
const MAX_SECONDS = 253_402_300_799;

import { canonicalCidr, canonicalEndpoint } from './address.ts';
import { WireGuardError } from './errors.ts';
import { keyFromHex, presharedKeyHash, publicKeyOf } from './keys.ts';
import type { DeviceStatus, PeerStatus } from './types.ts';

/** Maximum length of an answer: about 200,000 peers. */
export const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** Returns the `errno` at the end of an answer without its sign, which differs between implementations. 0 is success. */
export function decodeErrno(answer: string): number {
  const match = /(?:^|\n)errno=(-?[0-9]{1,9})\n\n$/.exec(answer.slice(-64));
  if (match === null) throw malformed('does not end in errno');
  return Math.abs(Number(match[1]));
}

/**
 * Parses the answer to `get=1`. It validates every value, rejects repeated keys, and expects lines of a peer after its
 * `public_key`. It skips unknown well-formed keys, because newer implementations add some. It converts the private key to
 * the public key at once. Throws `protocol` without quoting a value.
 */
export function decodeGet(answer: string): DeviceStatus {
  const errno = decodeErrno(answer);
  if (errno !== 0) throw new WireGuardError('failed', `the device refused to answer (errno ${errno})`);
  const device: Section = new Map();
  const peers: Section[] = [];
  for (const [key, value] of pairs(answer)) {
    if (key === 'public_key') peers.push(new Map());
    const section = peers.at(-1) ?? device;
    const values = section.get(key);
    if (values === undefined) section.set(key, [value]);
    else if (key === 'allowed_ip') values.push(value);
    else throw malformed(`repeats ${key}`);
  }
  return decodeDevice(device, peers);
}

type Section = Map<string, string[]>;

function* pairs(answer: string): Generator<[key: string, value: string]> {
  for (const line of answer.split('\n')) {
    if (line === '' || line.startsWith('errno=')) continue;
    const match = /^([a-z_0-9]{1,64})=([\x21-\x7e]{0,256})$/.exec(line);
    if (match === null) throw malformed('holds a line that is not key=value');
    yield [match[1] ?? '', match[2] ?? ''];
  }
}

function decodeDevice(device: Section, sections: readonly Section[]): DeviceStatus {
  const privateKey = one(device, 'private_key', (hex) => keyFromHex(hex));
  const peers = new Map<string, PeerStatus>();
  for (const section of sections) {
    const peer = decodePeer(section);
    if (peers.has(peer.publicKey)) throw malformed('names a peer twice');
    peers.set(peer.publicKey, peer);
  }
  return {
    publicKey: privateKey === undefined || privateKey === NO_KEY ? null : publicKeyOf(privateKey),
    listenPort: one(device, 'listen_port', integer(0xffff)) ?? 0,
    fwmark: one(device, 'fwmark', integer(0xffffffff)) ?? 0,
    peers,
  };
}

function decodePeer(section: Section): PeerStatus {
  const publicKey = one(section, 'public_key', (hex) => keyFromHex(hex));
  if (publicKey === undefined) throw malformed('holds a peer without a key');
  const hash = one(section, 'preshared_key', (hex) => presharedKeyHash(keyFromHex(hex))) ?? null;
  const endpoint = one(section, 'endpoint', canonicalEndpoint);
  const keepalive = one(section, 'persistent_keepalive_interval', integer(0xffff)) ?? 0;
  const seconds = one(section, 'last_handshake_time_sec', integer(MAX_SECONDS)) ?? 0;
  const nanoseconds = one(section, 'last_handshake_time_nsec', integer(999_999_999)) ?? 0;
  return {
    publicKey,
    ...(hash === null ? {} : { presharedKeyHash: hash }),
    ...(endpoint === undefined ? {} : { endpoint }),
    allowedIps: (section.get('allowed_ip') ?? []).map((cidr) => guarded('allowed_ip', () => canonicalCidr(cidr))),
    ...(keepalive === 0 ? {} : { persistentKeepalive: keepalive }),
    lastHandshake: seconds === 0 ? null : seconds * 1000 + Math.floor(nanoseconds / 1e6),
    rxBytes: one(section, 'rx_bytes', integer(Number.MAX_SAFE_INTEGER)) ?? 0,
    txBytes: one(section, 'tx_bytes', integer(Number.MAX_SAFE_INTEGER)) ?? 0,
  };
}

function one<T>(section: Section, key: string, parse: (value: string) => T): T | undefined {
  const value = section.get(key)?.[0];
  return value === undefined ? undefined : guarded(key, () => parse(value));
}

function guarded<T>(key: string, parse: () => T): T {
  try {
    return parse();
  } catch {
    throw malformed(`holds a malformed ${key}`);
  }
}

function integer(max: number): (text: string) => number {
  return (text) => {
    if (!/^[0-9]{1,16}$/.test(text) || Number(text) > max) throw malformed('holds a number out of range');
    return Number(text);
  };
}

function malformed(what: string): WireGuardError {
  return new WireGuardError('protocol', `the answer of the WireGuard device ${what}`);
}

const NO_KEY = Buffer.alloc(32).toString('base64');
/** Largest accepted time: the year 9999. */
const MAX_SECONDS = 253_402_300_799;

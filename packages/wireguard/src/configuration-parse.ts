import { canonicalAddress, canonicalCidr, canonicalInterfaceAddress, quote } from './address.ts';
import type { PlainConfiguration, PlainPeer, PrivateKeyText } from './configuration.ts';
import { checkHostEndpoint, checkMtu } from './configuration.ts';
import { invalid, WireGuardError } from './errors.ts';
import { parseKey } from './keys.ts';

/**
 * Parses the subset of wg-quick(8) that `configurationText` writes: one [Interface], any number of [Peer], and comments with
 * `#`. Unknown and repeated settings are errors with a line number. `placeholder` is the word that may replace the private
 * key.
 */
export function parseConfiguration(text: string, placeholder?: string): PlainConfiguration {
  const sections = readSections(text);
  const [head, ...rest] = sections;
  if (head === undefined || head.kind !== 'Interface') throw invalid('the first section must be [Interface]');
  const extra = rest.find((section) => section.kind === 'Interface');
  if (extra !== undefined) throw invalid(`line ${extra.line}: a second [Interface]`);
  const { listenPort, mtu, dns } = {
    listenPort: optional(head, 'ListenPort', (value) => integer(value, 65535)),
    mtu: optional(head, 'MTU', (value) => checkMtu(integer(value, 65535))),
    dns: optional(head, 'DNS', (value) => list(value, (item) => canonicalAddress(item))),
  };
  return {
    privateKey: required(head, 'PrivateKey', (value) => privateKey(value, placeholder)),
    addresses: required(head, 'Address', (value) => list(value, canonicalInterfaceAddress)),
    ...(listenPort === undefined ? {} : { listenPort }),
    ...(mtu === undefined ? {} : { mtu }),
    ...(dns === undefined ? {} : { dns }),
    peers: rest.map(parsePeer),
  };
}

interface Setting {
  readonly value: string;
  readonly line: number;
}

interface Section {
  readonly kind: 'Interface' | 'Peer';
  readonly line: number;
  readonly settings: Map<string, Setting>;
}

const SETTINGS = {
  Interface: ['PrivateKey', 'Address', 'ListenPort', 'MTU', 'DNS'],
  Peer: ['PublicKey', 'PresharedKey', 'Endpoint', 'AllowedIPs', 'PersistentKeepalive'],
};

function readSections(text: string): Section[] {
  const sections: Section[] = [];
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = index + 1;
    const content = raw.replace(/#.*$/, '').trim();
    if (content === '') continue;
    const header = /^\[(Interface|Peer)\]$/.exec(content)?.[1];
    if (header === 'Interface' || header === 'Peer') sections.push({ kind: header, line, settings: new Map() });
    else readSetting(sections.at(-1), content, line);
  }
  return sections;
}

function readSetting(section: Section | undefined, content: string, line: number): void {
  const match = /^([A-Za-z]+)\s*=\s*(.+)$/.exec(content);
  if (section === undefined || match === null) throw invalid(`line ${line}: neither a section nor a setting of one`);
  const [, name = '', value = ''] = match;
  if (!SETTINGS[section.kind].includes(name))
    throw invalid(`line ${line}: ${quote(name)} is not known in [${section.kind}]`);
  if (section.settings.has(name)) throw invalid(`line ${line}: ${name} is repeated`);
  section.settings.set(name, { value, line });
}

function parsePeer(section: Section): PlainPeer {
  const presharedKey = optional(section, 'PresharedKey', (value) => checkedKey(value));
  const endpoint = optional(section, 'Endpoint', checkHostEndpoint);
  const persistentKeepalive = optional(section, 'PersistentKeepalive', (value) =>
    value === 'off' ? 0 : integer(value, 65535),
  );
  return {
    publicKey: required(section, 'PublicKey', (value) => checkedKey(value)),
    ...(presharedKey === undefined ? {} : { presharedKey }),
    ...(endpoint === undefined ? {} : { endpoint }),
    allowedIps: optional(section, 'AllowedIPs', (value) => list(value, canonicalCidr)) ?? [],
    ...(persistentKeepalive === undefined ? {} : { persistentKeepalive }),
  };
}

function required<T>(section: Section, name: string, parse: (value: string) => T): T {
  const value = optional(section, name, parse);
  if (value === undefined) throw invalid(`line ${section.line}: [${section.kind}] lacks ${name}`);
  return value;
}

function optional<T>(section: Section, name: string, parse: (value: string) => T): T | undefined {
  const setting = section.settings.get(name);
  if (setting === undefined) return undefined;
  try {
    return parse(setting.value);
  } catch (error) {
    throw error instanceof WireGuardError ? invalid(`line ${setting.line}: ${name}: ${error.message}`) : error;
  }
}

function privateKey(value: string, placeholder: string | undefined): PrivateKeyText {
  return placeholder !== undefined && value === placeholder ? { placeholder } : { key: checkedKey(value) };
}

function checkedKey(value: string): string {
  parseKey(value);
  return value;
}

function list<T>(value: string, parse: (item: string) => T): T[] {
  return value.split(',').map((item) => parse(item.trim()));
}

function integer(value: string, max: number): number {
  if (!/^[0-9]{1,5}$/.test(value) || Number(value) > max) throw invalid(`must be an integer 0..${max}`);
  return Number(value);
}

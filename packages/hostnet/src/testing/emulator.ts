import type { Grant } from '@sallyport/contract/channel';
/**
 * A small nftables. It runs the text of this package with the kernel's strictness, and decides about packets as the
 * rules do. A transaction fails as a whole on ENOENT, on EEXIST with another value, on overlapping ranges, and on
 * counters that are missing or in use. Tests of the text use it, because thousands of queries to a real kernel would be
 * too slow.
 */
import { CELL_MAPS } from '../firewall/rule-text.ts';
import { parseAddress, parseRange } from '../ip.ts';

interface Entry {
  readonly value: string | null;
  readonly deadline: number;
}

export interface Packet {
  readonly device: string;
  readonly peer: string;
  readonly protocol: Grant['protocol'];
  readonly port: number;
}

export class Emulator {
  maps = new Map<string, Map<string, Entry>>();
  counters = new Set<string>();

  /** Runs a transaction. Throws the kernel's error; a transaction that throws changes nothing. */
  commit(text: string, now: number): void {
    const maps = new Map([...this.maps].map(([name, map]) => [name, new Map(map)]));
    const before = { maps: this.maps, counters: new Set(this.counters) };
    this.maps = maps;
    try {
      for (const line of text.trimEnd().split('\n')) this.#command(line, now);
      this.#checkRanges();
    } catch (error) {
      this.maps = before.maps;
      this.counters = before.counters;
      throw error;
    }
  }

  /** Returns a kernel with the same content. */
  copy(): Emulator {
    const kernel = new Emulator();
    kernel.maps = new Map([...this.maps].map(([name, map]) => [name, new Map(map)]));
    kernel.counters = new Set(this.counters);
    return kernel;
  }

  /** Returns this kernel with the ranges of an earlier moment: the kernel puts ranges in force a moment later. */
  withRangesOf(earlier: Emulator): Emulator {
    const kernel = this.copy();
    for (const [name, map] of earlier.maps) if (RANGES.test(name)) kernel.maps.set(name, map);
    return kernel;
  }

  /** Returns the policy that admits the packet, or null. */
  decide(packet: Packet, now: number): string | null {
    if (!this.#get('lease', '0x00000001', now)) return null;
    const family = packet.device.includes(':') ? 6 : 4;
    const site = this.#inRange(`sites${family}`, packet.device);
    let mark =
      this.#get(`devices${family}`, packet.device, now)?.value ??
      (site && this.#get('site_profiles', site, now)?.value);
    if (!mark) return null;
    let priority =
      this.#get(`hosts${family}`, packet.peer, now)?.value ?? this.#inRange(`classes${family}`, packet.peer) ?? '0:0';
    for (const map of CELL_MAPS) mark = this.#get(map, `${mark} . ${priority}`, now)?.value ?? mark;
    if (packet.protocol === 'icmp') priority = '2000:1';
    else if (packet.protocol === 'other') priority = '2000:2';
    else priority = this.#inPorts(`${packet.protocol}_ports`, packet.port) ?? priority;
    return this.#get('allowed', `${mark} . ${priority}`, now)?.value ?? null;
  }

  /** Returns whether a flow from behind this gateway may enter the tunnel. */
  decideEgress(source: string, destination: string, now: number): boolean {
    if (!this.#get('lease', '0x00000001', now)) return false;
    const family = source.includes(':') ? 6 : 4;
    const from = this.#inRange(`egress_sources${family}`, source) ?? '0x00000001';
    const to = this.#inRange(`egress_destinations${family}`, destination) ?? '0:0';
    return this.#get('egress_pairs', `${from} . ${to}`, now) !== null;
  }

  #command(line: string, now: number): void {
    const match = /^(add|delete|flush) (table|map|set|chain|rule|counter|element) inet \S+ ?(\S*) ?(.*)$/.exec(line);
    if (!match) throw new Error(`not understood: ${line}`);
    const [, verb, kind, kernelName = '', rest = ''] = match;
    const name = kernelName.replace(/_[abc]$/, '');
    if (kind === 'table' && verb === 'delete') {
      this.maps = new Map();
      this.counters = new Set();
    } else if (kind === 'map' || kind === 'set')
      this.maps.set(name, new Map()); // created, or flushed
    else if (kind === 'counter') this.#counter(verb === 'add', name);
    else if (kind === 'element') {
      for (const text of rest.slice(2, -2).split(', ')) this.#element(verb === 'add', name, text, now);
    }
  }

  #counter(add: boolean, name: string): void {
    if (add) {
      this.counters.add(name);
      return;
    }
    if (!this.counters.delete(name)) throw new Error(`ENOENT counter ${name}`);
    for (const { value } of this.#map('allowed').values()) if (value === name) throw new Error(`EBUSY counter ${name}`);
  }

  #element(add: boolean, name: string, text: string, now: number): void {
    const match = /^(.*?)(?: timeout (?:(\d+)d)?(\d+)ms)?(?: : (\S+))?$/.exec(text);
    if (!match) throw new Error(`not understood: ${text}`);
    const [, key = '', days = '0', timeout, quoted] = match;
    const value = quoted === undefined ? null : quoted.replaceAll('"', '');
    const map = this.#map(name);
    const existing = this.#get(name, key, now);
    if (!add) {
      if (/^(65535|255\.255\.255\.255)-/.test(key)) return; // as nft 1.0.6: accepted, and not done
      if (!existing) throw new Error(`ENOENT ${name} ${key}`);
      map.delete(key);
      return;
    }
    if (existing && existing.value !== value) throw new Error(`EEXIST ${name} ${key}`);
    if (existing) return;
    if (name === 'allowed' && !this.counters.has(value ?? '')) throw new Error(`ENOENT counter ${value}`);
    map.set(key, {
      value,
      deadline: timeout === undefined ? Number.POSITIVE_INFINITY : now + Number(days) * 86_400_000 + Number(timeout),
    });
  }

  #checkRanges(): void {
    for (const [name, map] of this.maps) {
      if (!RANGES.test(name)) continue;
      const ranges = [...map.keys()].map((key) => ends(name, key)).sort((a, b) => (a[0] < b[0] ? -1 : 1));
      for (const [index, range] of ranges.entries()) {
        const next = ranges[index + 1];
        if (next && next[0] <= range[1]) throw new Error(`EEXIST ${name}: ranges overlap`);
      }
    }
  }

  #inRange(name: string, address: string): string | null {
    const { value } = parseAddress(address);
    return this.#find(name, value);
  }

  #inPorts(name: string, port: number): string | null {
    return this.#find(name, BigInt(port));
  }

  #find(name: string, number: bigint): string | null {
    for (const [key, entry] of this.#map(name)) {
      const [first, last] = ends(name, key);
      if (first <= number && number <= last) return entry.value;
    }
    return null;
  }

  #get(name: string, key: string, now: number): Entry | null {
    const entry = this.#map(name).get(key);
    return entry && entry.deadline > now ? entry : null;
  }

  #map(name: string): Map<string, Entry> {
    const map = this.maps.get(name);
    if (!map) throw new Error(`ENOENT ${name}`);
    return map;
  }
}

/** Names of maps with ranges. */
const RANGES = /^classes|^sites|^egress_(sources|destinations)|_ports$/;

const parsed = new Map<string, readonly [bigint, bigint]>();

function ends(name: string, key: string): readonly [bigint, bigint] {
  const known = parsed.get(key);
  if (known) return known;
  const result = parseEnds(name, key);
  parsed.set(key, result);
  return result;
}

function parseEnds(name: string, key: string): readonly [bigint, bigint] {
  if (name.endsWith('_ports')) {
    const [first = '', last = ''] = key.split('-');
    return [BigInt(first), BigInt(last)];
  }
  const range = parseRange(key);
  return [range.first, range.last];
}

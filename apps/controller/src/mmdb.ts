import { parseUnmapped } from '@sallyport/ip';

/** The file is not a database in the MaxMind DB format, or a record of it is not well-formed. */
export class MmdbError extends Error {}

/**
 * Reader of databases in the MaxMind DB format, version 2.0, for one text in a record. It believes nothing of the file: every
 * place is checked, and a look-up takes a bounded number of steps, however its values nest and point at each other.
 */
export class MmdbReader {
  readonly #file: Buffer;
  readonly #nodes: number;
  readonly #recordBits: number;
  readonly #root: number;
  readonly #hasIpv6: boolean;
  readonly #data: Section;

  /** Throws MmdbError for what is no such database. */
  constructor(file: Buffer) {
    const start = file.lastIndexOf(marker);
    if (start < 0) throw new MmdbError('there is no metadata');
    const metadata = new Section(file, start + marker.length, file.length);
    const number = (name: string): number => metadata.numberAt([name]);
    if (number('binary_format_major_version') !== 2) throw new MmdbError('the format has another version than 2');
    const [nodes, recordBits, version] = [number('node_count'), number('record_size'), number('ip_version')];
    if (![24, 28, 32].includes(recordBits)) throw new MmdbError(`records have ${recordBits} bits`);
    if (version !== 4 && version !== 6) throw new MmdbError(`the IP version is ${version}`);
    const treeBytes = (nodes * recordBits) / 4;
    if (nodes === 0 || treeBytes + separatorBytes > start) throw new MmdbError('the search tree is cut off');
    this.#file = file;
    this.#nodes = nodes;
    this.#recordBits = recordBits;
    this.#hasIpv6 = version === 6;
    this.#data = new Section(file, treeBytes + separatorBytes, start);
    this.#root = this.#hasIpv6 ? this.#walk(0, 0n, 96) : 0;
  }

  /** Text at a path of keys in the record of an address; null: there is none. Throws MmdbError. */
  text(ip: string, path: readonly string[]): string | null {
    const address = parseUnmapped(ip);
    if (address === null || (address.family === 6 && !this.#hasIpv6)) return null;
    const [from, bits] = address.family === 4 ? [this.#root, 32] : [0, 128];
    const record = this.#walk(from, address.value, bits);
    return record <= this.#nodes ? null : this.#data.textAt(path, record - this.#nodes - separatorBytes);
  }

  /** The record to which so many bits of an address lead: a node, the number of nodes for nothing, or more for data. */
  #walk(from: number, address: bigint, bits: number): number {
    let record = from;
    for (let left = bits - 1; left >= 0 && record < this.#nodes; left--) {
      record = this.#record(record, Number((address >> BigInt(left)) & 1n));
    }
    return record;
  }

  #record(node: number, side: number): number {
    const bytes = this.#recordBits / 4;
    const at = node * bytes;
    if (this.#recordBits !== 28) return this.#file.readUIntBE(at + (side * bytes) / 2, bytes / 2);
    const middle = this.#file.readUInt8(at + 3);
    const high = side === 0 ? middle >> 4 : middle & 0x0f;
    return high * 2 ** 24 + this.#file.readUIntBE(at + side * 4, 3);
  }
}

const marker = Buffer.concat([Buffer.from('abcdef', 'hex'), Buffer.from('MaxMind.com')]);
const separatorBytes = 16;

/** Values that one look-up may pass, pointers included; a record of a real database has some hundred. */
const mostSteps = 5_000;
const longestText = 1_000;

const kinds = { pointer: 1, text: 2, map: 7, array: 11, boolean: 14 } as const;
const numberKinds: readonly number[] = [5, 6, 9];
/** Of double, bytes, integers and float: as many as the size says. */
const plainKinds: readonly number[] = [2, 3, 4, 5, 6, 8, 9, 10, 15];
const leafKinds: readonly number[] = [kinds.pointer, kinds.boolean, ...plainKinds];

/** `from` is where the content begins; `to` of a pointer where it leads. */
interface Value {
  readonly kind: number;
  readonly size: number;
  readonly from: number;
  readonly to: number;
}

/** Values one after another: the data of a database, or its metadata. Pointers count from its start. */
class Section {
  readonly #file: Buffer;
  readonly #start: number;
  readonly #end: number;
  #steps = 0;

  constructor(file: Buffer, start: number, end: number) {
    this.#file = file;
    this.#start = start;
    this.#end = end;
  }

  textAt(path: readonly string[], offset = 0): string | null {
    const value = this.#find(path, offset);
    return value?.kind === kinds.text ? this.#text(value) : null;
  }

  numberAt(path: readonly string[]): number {
    const value = this.#find(path, 0);
    if (value === null || !numberKinds.includes(value.kind) || value.size > 6)
      throw new MmdbError(`${path.join('.')} is missing`);
    return value.size === 0 ? 0 : this.#number(value.from, value.size);
  }

  #find(path: readonly string[], offset: number): Value | null {
    this.#steps = 0;
    let value = this.#resolved(this.#start + offset);
    for (const name of path) {
      if (value.kind !== kinds.map) return null;
      const at = this.#entry(value, name);
      if (at === null) return null;
      value = this.#resolved(at);
    }
    return value;
  }

  /** Where the value of this key begins. */
  #entry(map: Value, name: string): number | null {
    let at = map.from;
    for (let left = map.size; left > 0; left--) {
      const key = this.#resolved(at);
      if (key.kind !== kinds.text) throw new MmdbError('a key is not a text');
      const next = this.#after(at);
      if (this.#text(key) === name) return next;
      at = this.#after(next);
    }
    return null;
  }

  /** Where the value that begins here ends. Pointers are passed, not followed. */
  #after(start: number): number {
    let at = start;
    for (let left = 1; left > 0; left--) {
      const { kind, size, from } = this.#value(at);
      at = plainKinds.includes(kind) ? this.#within(from, size) + size : from;
      if (kind === kinds.map) left += 2 * size;
      else if (kind === kinds.array) left += size;
      else if (!leafKinds.includes(kind)) throw new MmdbError(`a value is of the kind ${kind}`);
    }
    return at;
  }

  /** The value that begins here, or to which pointers lead from here. */
  #resolved(start: number): Value {
    let value = this.#value(start);
    while (value.kind === kinds.pointer) value = this.#value(this.#start + value.to);
    return value;
  }

  #value(at: number): Value {
    if (++this.#steps > mostSteps) throw new MmdbError('a record nests or points too far');
    const control = this.#byte(at);
    if (control >> 5 === kinds.pointer) return this.#pointer(at, control);
    const extended = control >> 5 === 0;
    const kind = extended ? this.#byte(at + 1) + 7 : control >> 5;
    const next = at + (extended ? 2 : 1);
    const more = Math.max(0, (control & 31) - 28);
    const size = more === 0 ? control & 31 : (sizeBases[more] as number) + this.#number(next, more);
    return { kind, size, from: next + more, to: 0 };
  }

  #pointer(at: number, control: number): Value {
    const length = ((control >> 3) & 3) + 1;
    const high = length === 4 ? 0 : (control & 7) * 2 ** (8 * length);
    const to = high + this.#number(at + 1, length) + (pointerBases[length] as number);
    return { kind: kinds.pointer, size: 0, from: at + 1 + length, to };
  }

  #text({ from, size }: Value): string {
    if (size > longestText) throw new MmdbError('a text is too long');
    return this.#file.toString('utf8', this.#within(from, size), from + size);
  }

  #byte(at: number): number {
    return this.#file.readUInt8(this.#within(at, 1));
  }

  #number(at: number, bytes: number): number {
    return this.#file.readUIntBE(this.#within(at, bytes), bytes);
  }

  #within(at: number, bytes: number): number {
    if (at < this.#start || at + bytes > this.#end) throw new MmdbError('a value lies outside of its section');
    return at;
  }
}

/** By the number of bytes that follow. */
const sizeBases = [0, 29, 285, 65_821];
const pointerBases = [0, 0, 2_048, 526_336, 0];

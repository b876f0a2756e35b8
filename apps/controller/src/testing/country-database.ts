/**
 * A database in the MaxMind DB format, version 2.0, with one record `{country: {iso_code}}` per IPv4 prefix; with the part for
 * IPv6 when `ipVersion` is 6. See the published format description.
 */
export function countryDatabase(
  countries: Readonly<Record<string, string>>,
  { recordBits = 24, ipVersion = 4 }: { recordBits?: 24 | 28 | 32; ipVersion?: 4 | 6 } = {},
): Buffer {
  const nodes: [Branch, Branch][] = [[null, null]];
  const data: Buffer[] = [];
  let dataSize = 0;
  for (const [prefix, country] of Object.entries(countries)) {
    const record = encode({ country: { iso_code: country } });
    insert(nodes, prefix, ipVersion === 6 ? 96 : 0, { offset: dataSize });
    data.push(record);
    dataSize += record.length;
  }
  const value = (branch: Branch): number => {
    if (branch === null) return nodes.length;
    return typeof branch === 'number' ? branch : nodes.length + 16 + branch.offset;
  };
  const tree = Buffer.concat(nodes.map(([left, right]) => node(recordBits, value(left), value(right))));
  const metadata = {
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: 1_700_000_000,
    database_type: 'Test-Country',
    description: { en: 'test' },
    ip_version: ipVersion,
    languages: [],
    node_count: nodes.length,
    record_size: recordBits,
  };
  const marker = Buffer.concat([Buffer.from('abcdef', 'hex'), Buffer.from('MaxMind.com')]);
  return Buffer.concat([tree, Buffer.alloc(16), ...data, marker, encode(metadata)]);
}

/** Null: not found. A number: the next node. */
type Branch = null | number | { readonly offset: number };

/** `zeros` bits come before those of the prefix. */
function insert(nodes: [Branch, Branch][], prefix: string, zeros: number, leaf: Branch): void {
  const [address = '', length = '32'] = prefix.split('/');
  const bits = address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
  let node = 0;
  for (let depth = -zeros; depth < Number(length); depth++) {
    const side = depth < 0 || Math.floor(bits / 2 ** (31 - depth)) % 2 === 0 ? 0 : 1;
    const here = nodes[node] as [Branch, Branch];
    if (depth === Number(length) - 1) here[side] = leaf;
    else if (typeof here[side] === 'number') node = here[side];
    else {
      node = nodes.push([null, null]) - 1;
      here[side] = node;
    }
  }
}

/** The lower bits of each side in whole bytes; with 28 bits the two rests share a byte between them. */
function node(recordBits: 24 | 28 | 32, left: number, right: number): Buffer {
  const bytes = recordBits === 32 ? 4 : 3;
  const low = (value: number) => {
    const buffer = Buffer.alloc(bytes);
    buffer.writeUIntBE(value % 2 ** (8 * bytes), 0, bytes);
    return buffer;
  };
  const middle = recordBits === 28 ? [((left >> 24) << 4) | (right >> 24)] : [];
  return Buffer.concat([low(left), Buffer.from(middle), low(right)]);
}

type Value = string | number | readonly Value[] | { readonly [key: string]: Value };

function encode(value: Value): Buffer {
  if (typeof value === 'string') return Buffer.concat([control(2, value.length), Buffer.from(value)]);
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return Buffer.concat([control(6, 4), bytes]);
  }
  if (Array.isArray(value)) return Buffer.concat([control(11, value.length), ...value.map(encode)]);
  const entries = Object.entries(value as Record<string, Value>);
  return Buffer.concat([control(7, entries.length), ...entries.flatMap(([key, held]) => [encode(key), encode(held)])]);
}

/** Type and size, the size below 285. Types above 7 take a byte of their own. */
function control(type: number, size: number): Buffer {
  const short = Math.min(size, 29);
  const head = type <= 7 ? [(type << 5) | short] : [short, type - 7];
  return Buffer.from(size < 29 ? head : [...head, size - 29]);
}

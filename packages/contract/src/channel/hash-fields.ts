import type { GatewayItem, StateItem } from './state.ts';

type Scalar = string | number | boolean | null;

/** Appends the values of a field to the text of an item. */
type Writer<V> = (value: V, values: unknown[]) => void;

/** Reason why the hash leaves out a field. */
interface LeftOut {
  readonly leftOut: string;
}

/** Rule for each field of a record: how it enters the hash. A field without a rule does not compile. */
type Fields<T> = { readonly [F in keyof T]-?: Writer<T[F]> | LeftOut };

/** Fields of a record within a list. They are joined with spaces, so each is a single value. */
type RecordFields<T> = { readonly [F in keyof T]-?: (T[F] extends Scalar ? typeof plain : never) | LeftOut };

type ItemFields = {
  readonly [K in StateItem['kind']]: Fields<Omit<Extract<StateItem, { kind: K }>, 'kind'>>;
};

/**
 * Returns the text of an item for the hash: its kind and every field that is not left out. Lists without a meaningful order
 * are sorted. The text is part of the protocol: both sides must write it alike to agree on a state.
 */
export function itemText(item: StateItem): string {
  const values: unknown[] = [item.kind];
  writers[item.kind](item, values);
  return JSON.stringify(values);
}

const plain = (value: Scalar, values: unknown[]): void => {
  values.push(value);
};
/** A list in order of preference. */
const ordered = (list: readonly string[], values: unknown[]): void => {
  values.push(list);
};
/** A list without a meaningful order. */
const sorted = (list: readonly string[], values: unknown[]): void => {
  values.push(list.length < 2 ? list : [...list].sort());
};
/** Appends nothing for an absent field. Items without the field keep the hash from before the field existed. */
const ifPresent = (value: Scalar | undefined, values: unknown[]): void => {
  if (value !== undefined) values.push(value);
};

const leftOut = (reason: string): LeftOut => ({ leftOut: reason });
const key = leftOut('kind and id, or kind alone, say the same');
const moment = leftOut('moments are renewed without being a change');
const translation = leftOut('classes and profiles decide about access, and agents of protocol 3 are not sent names');
const advice = leftOut('advice decides nothing');

/** Appends the values of a record to those of the item, in the order of its field list. */
function inlined<T extends object>(fields: Fields<NoInfer<T>>): Writer<T> {
  const entries = Object.entries(fields) as [keyof T, Writer<T[keyof T]> | LeftOut][];
  const counted = entries.flatMap(([field, write]) => (typeof write === 'function' ? [{ field, write }] : []));
  return (record, values) => {
    for (const { field, write } of counted) write(record[field], values);
  };
}

/** Appends the values of a record as one list, or null for null. */
function grouped<T extends object>(fields: Fields<NoInfer<T>>): Writer<T | null> {
  const write = inlined<T>(fields);
  return (record, values) => {
    if (record === null) return void values.push(null);
    const group: unknown[] = [];
    write(record, group);
    values.push(group);
  };
}

/** A list of records in order of preference. */
function orderedRecords<T extends object>(fields: RecordFields<NoInfer<T>>): Writer<readonly T[]> {
  const text = recordText<T>(fields);
  return (records, values) => {
    values.push(records.map(text));
  };
}

/** A list of records without a meaningful order. */
function sortedRecords<T extends object>(fields: RecordFields<NoInfer<T>>): Writer<readonly T[]> {
  const text = recordText<T>(fields);
  return (records, values) => {
    values.push(records.map(text).sort());
  };
}

function recordText<T extends object>(fields: RecordFields<T>): (record: T) => string {
  const entries = Object.entries(fields) as [keyof T, typeof plain | LeftOut][];
  const [first, ...others] = entries.filter(([, write]) => write === plain).map(([field]) => field);
  return (record) => {
    let text = first === undefined ? '' : `${record[first]}`;
    for (const field of others) text += ` ${record[field]}`;
    return text;
  };
}

const overlay = inlined<GatewayItem['overlay']>({ v4: plain, v6: plain, names: translation });

/** Rules of every kind of item. The order of fields here is their order in the text. */
const fieldsOf: ItemFields = {
  gateway: {
    key,
    listenPort: plain,
    addresses: sorted,
    overlay,
    mtu: plain,
    masquerade: plain,
    intent: plain,
    drainUntil: moment,
    relayPorts: grouped({ from: plain, to: plain }),
    deniedRanges: translation,
    dnsServers: translation,
    forwarding: translation,
  },
  device: {
    key,
    id: plain,
    publicKey: plain,
    addresses: sorted,
    profile: plain,
    via: plain,
    relay: plain,
    expiresAt: moment,
  },
  client: { key, addresses: sorted, overlay, mtu: plain, localNetwork: ifPresent, forwarding: translation },
  beacon: { key, id: plain, publicKey: plain, endpoint: plain },
  peer: {
    key,
    id: plain,
    name: plain,
    publicKey: plain,
    addresses: sorted,
    endpoints: ordered,
    relays: orderedRecords({ gateway: plain, endpoint: plain }),
    sources: sorted,
    standing: plain,
    unreachable: sorted,
    expiresAt: moment,
  },
  route: { key, id: plain, mode: plain, gateways: ordered, resources: sorted, target: advice },
  resource: { key, id: plain, name: plain, denied: plain, ping: advice },
  'relay-point': { key, id: plain, endpoint: plain },
  relay: {
    key,
    id: plain,
    port: plain,
    peers: sortedRecords({ id: plain, publicKey: plain, endpoint: plain }),
    bytesPerSecond: plain,
    expiresAt: moment,
  },
  egress: { key, id: plain, sources: sorted, destinations: sorted, expiresAt: moment },
  site: { key, id: plain, prefixes: sorted, profile: plain, expiresAt: moment },
  class: { key, id: plain, ranges: sorted },
  bundle: { key, id: plain, grants: sortedRecords({ protocol: plain, from: plain, to: plain, policy: plain }) },
  profile: {
    key,
    id: plain,
    cells: sortedRecords({
      class: plain,
      bundle: plain,
      expiresAt: moment,
      after: leftOut('successors follow from grants and their moments, and are renewed with them'),
      onward: leftOut('the bundle of the cell says it too'),
    }),
  },
  probe: { key, id: plain, resource: plain, target: plain, port: plain },
  name: { key, id: translation, addresses: translation, resources: translation },
};

const writers = Object.fromEntries(
  Object.entries(fieldsOf).map(([kind, fields]) => [kind, inlined(fields as unknown as Fields<StateItem>)]),
) as unknown as Readonly<Record<StateItem['kind'], Writer<StateItem>>>;

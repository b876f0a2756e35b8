/** A chain of a foreign table that packets for this host pass. */
export interface InputChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly policy: 'accept' | 'drop';
}

/** Returns foreign input chains from `nft -j list chains`; null when the text is something else. */
export function inputChains(text: string): readonly InputChain[] | null {
  return entriesOf(text, 'chain')?.flatMap(inputChain) ?? null;
}

/** Returns whether a chain, from `nft -j list chain`, ends by rejecting all remaining packets. */
export function endsClosed(text: string): boolean {
  const last = entriesOf(text, 'rule')?.at(-1)?.expr;
  if (!Array.isArray(last)) return false;
  const names = last.flatMap((step) => (isObject(step) ? Object.keys(step) : ['?']));
  return names.every((name) => harmless.has(name)) && names.some((name) => name === 'drop' || name === 'reject');
}

/**
 * Returns whether these closed chains together reject unsolicited packets in both families (`ipv6`: the host has it).
 */
export function isFirewalled(closed: readonly InputChain[], ipv6: boolean): boolean {
  const families = new Set(closed.flatMap(({ family }) => covers[family] ?? []));
  return families.has(4) && (!ipv6 || families.has(6));
}

const ownTables = 'sallyport';
const covers: Readonly<Record<string, readonly (4 | 6)[]>> = { inet: [4, 6], ip: [4], ip6: [6] };
/** Parts of a rule that let no packet pass by the verdict. */
const harmless = new Set(['drop', 'reject', 'counter', 'log']);

type Fields = Readonly<Record<string, unknown>>;

function inputChain({ family, table, name, type, hook, policy }: Fields): InputChain[] {
  if (type !== 'filter' || hook !== 'input') return [];
  if (typeof family !== 'string' || typeof table !== 'string' || typeof name !== 'string') return [];
  if (table.startsWith(ownTables) || !(family in covers)) return [];
  return [{ family, table, name, policy: policy === 'drop' ? 'drop' : 'accept' }];
}

/**
 * Returns objects of one kind from the JSON output of nft (libnftables-json(5)); null when the text is something else.
 */
function entriesOf(text: string, kind: 'chain' | 'rule'): Fields[] | null {
  const { nftables } = parseObject(text);
  if (!Array.isArray(nftables)) return null;
  return nftables.flatMap((entry) => (isObject(entry) && isObject(entry[kind]) ? [entry[kind]] : []));
}

function parseObject(text: string): Fields {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}

import { Snapshot, StateItem } from '@sallyport/contract/channel';

const kinds: ReadonlySet<unknown> = new Set(StateItem.options.map(({ shape }) => shape.kind.value));

/**
 * Reads a snapshot that an agent of this or a newer version stored. Items of kinds and fields that this version does not
 * know are left out. The signed hash decides whether the rest is the whole state: only what the hash leaves out may be
 * missing. Returns null for any other text.
 */
export function readStoredSnapshot(value: unknown): Snapshot | null {
  const strict = Snapshot.safeParse(value);
  if (strict.success) return strict.data;
  if (!isRecord(value) || !Array.isArray(value.items)) return null;
  const known = { ...value, items: value.items.filter((item) => isRecord(item) && kinds.has(item.kind)) };
  const again = Snapshot.safeParse(known);
  if (again.success) return again.data;
  for (const issue of again.error.issues) {
    if (issue.code !== 'unrecognized_keys') return null;
    const place = issue.path.reduce<unknown>((at, name) => (isRecord(at) ? at[String(name)] : undefined), known);
    if (isRecord(place)) for (const name of issue.keys) delete place[name];
  }
  return Snapshot.safeParse(known).data ?? null;
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

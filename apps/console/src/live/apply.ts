import type { LiveMessage, LiveOverview } from '@sallyport/contract';
import type { Query } from '@tanstack/react-query';
import { queryClient } from '../data/queries.ts';

/** Brings what the page has read up to date with a message of the live stream. */
export function applyMessage(message: LiveMessage): void {
  if (message.reload === true) void queryClient.invalidateQueries();
  applyChanges(message.changes ?? []);
  if (message.overview !== undefined) applyOverview(message.overview);
  patchObjects('gateway', message.gateways ?? [], true);
  patchObjects('device', message.devices ?? [], true);
  patchObjects(
    'gateway',
    (message.statistics ?? []).map(({ id, ...statistics }) => ({ id, statistics })),
  );
  patchObjects('device', message.paths ?? []);
}

/** Reads again the changed objects and the lists of their kinds. Queries about other objects stay as they are. */
function applyChanges(changes: NonNullable<LiveMessage['changes']>): void {
  if (changes.length === 0) return;
  const ids = new Map([...Map.groupBy(changes, ({ kind }) => kind)].map(([kind, all]) => [kind, idsOf(all)]));
  void queryClient.invalidateQueries({
    predicate: ({ queryKey: [kind, path] }) => {
      if (kind === 'audit') return true;
      const changed = ids.get(String(kind));
      const object = objectIn(path);
      return changed !== undefined && (object === null || changed.has(object));
    },
  });
  // The own account depends on these.
  if (['user', 'group', 'role', 'tenant'].some((kind) => ids.has(kind)))
    void queryClient.invalidateQueries({ queryKey: ['me'] });
}

let figures: LiveOverview | null = null;

const kindOf = { gateways: 'gateway', devices: 'device' } as const;

/**
 * Reads lists by status again: an object out of sight may belong in them now. Figures come when they differ, and when a
 * page begins to follow them. Then they may have changed after the page read its lists, so both kinds are read.
 */
function applyOverview(overview: LiveOverview): void {
  const parts = Object.keys(kindOf) as (keyof typeof kindOf)[];
  const differing = parts.filter((part) => JSON.stringify(figures?.[part]) !== JSON.stringify(overview[part]));
  figures = overview;
  for (const part of differing.length === 0 ? parts : differing) readSoon(kindOf[part]);
}

/** In a large tenant, devices come and go all the time: lists by status are read again at most this often, milliseconds. */
const readMs = 5000;
const waiting = new Set<string>();

function readSoon(kind: string): void {
  if (waiting.has(kind)) return;
  waiting.add(kind);
  const read = () => queryClient.invalidateQueries({ queryKey: [kind], predicate: dependsOnStatus });
  void read();
  setTimeout(() => {
    waiting.delete(kind);
    void read();
  }, readMs);
}

const idsOf = (objects: readonly { readonly id: string }[]): ReadonlySet<string> =>
  new Set(objects.map(({ id }) => id));

/** Returns the id of the object that a path is about; null for a list. */
const objectIn = (path: unknown): string | null =>
  /^\/tenants\/[a-z-]+\/([0-9a-f]{8}-[0-9a-f-]{27})(\/|$)/.exec(String(path))?.[1] ?? null;

type Shown = { readonly id: string } & Readonly<Record<string, unknown>>;

/**
 * Sets fields of objects that the page has read, without a request. `listed`: lists that are filtered or sorted by status
 * are read again, because other objects may belong in them now.
 */
function patchObjects(kind: string, objects: readonly Shown[], listed = false): void {
  if (objects.length === 0) return;
  const byId = new Map(objects.map((object) => [object.id, object]));
  for (const query of queryClient.getQueryCache().findAll({ queryKey: [kind] })) {
    const before = query.state.data;
    const data = patched(before, byId);
    if (data === before) continue;
    queryClient.setQueryData(query.queryKey, data, { updatedAt: query.state.dataUpdatedAt });
    if (listed && dependsOnStatus(query)) void queryClient.invalidateQueries({ queryKey: query.queryKey, exact: true });
  }
}

const dependsOnStatus = ({ queryKey }: Query): boolean =>
  queryKey.some((part) => typeof part === 'string' && /[?&=[]-?(status|lastOnline|lastConnection)\b/.test(`?${part}`));

/** Returns the data with the new values of its objects. Returns the same data when it has none of them. */
function patched(data: unknown, byId: ReadonlyMap<string, Shown>): unknown {
  if (Array.isArray(data)) {
    let changed = false;
    const rows = data.map((row) => {
      const next = patched(row, byId);
      changed ||= next !== row;
      return next;
    });
    return changed ? rows : data;
  }
  if (typeof data !== 'object' || data === null) return data;
  for (const list of ['rows', 'data'] as const)
    if (list in data) {
      const rows = (data as Record<string, unknown>)[list];
      const next = patched(rows, byId);
      return next === rows ? data : { ...data, [list]: next };
    }
  const fresh = byId.get(String((data as { id?: unknown }).id));
  return fresh === undefined ? data : withFields(data as Shown, fresh);
}

/** An error that is gone is left out of messages. */
function withFields(object: Shown, fresh: Shown): Shown {
  if (!('status' in fresh)) return { ...object, ...fresh };
  const { error: _, ...rest } = object;
  return { ...rest, ...fresh };
}

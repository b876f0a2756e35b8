import { EGRESS_COUNTER } from './path-rules.ts';
import { PROBE_COUNTER } from './probe-rules.ts';
import { renderAll } from './render.ts';
import type { FirewallOptions, FirewallSettings, Ruleset } from './ruleset.ts';
import { DROP_COUNTERS, GENERATED_SETS, type Generation, generated, MAPS, ruleset, tableName } from './ruleset.ts';
import type { Tables } from './tables.ts';

/** Packets and bytes of one counter. */
export interface Count {
  readonly packets: number;
  readonly bytes: number;
}

/** The names that a table already holds, and its counters. */
export interface Inventory {
  readonly chains: readonly string[];
  /** Maps and named sets. */
  readonly maps: ReadonlyMap<string, 'map' | 'set'>;
  readonly counters: ReadonlyMap<string, Count>;
}

/**
 * A complete load, as transactions that are applied one after another. Replacing a table in one step loses the packets
 * inside its chains, because their look-ups find empty maps. The kernel also publishes new ranges a moment later than
 * new rules. So the load builds the new chains and maps beside the old ones, under names of another generation. Then
 * it switches the base chains, and removes the old objects when no packet can be inside them. Counters stay and keep
 * their values.
 */
export interface LoadTexts {
  /** Null if there is no table yet; then `swap` creates everything at once. */
  readonly prepare: string | null;
  readonly swap: string;
  /** Null if there is nothing to remove. */
  readonly cleanup: string | null;
  /** One transaction that deletes the table first, for a table that does not accept the other transactions. */
  readonly replace: string;
}

/** Returns the generation whose names the existing table does not use. */
export function freeGeneration(existing: Inventory | null): Generation {
  const names = existing ? [...existing.chains, ...existing.maps.keys()] : [];
  const used = (generation: Generation): boolean => names.some((name) => name.endsWith(`_${generation}`));
  return (['a', 'b', 'c'] as const).find((generation) => !used(generation)) ?? 'a';
}

/** Returns the transactions that load these tables beside the existing objects. */
export function loadTexts(
  options: FirewallOptions,
  settings: FirewallSettings,
  tables: Tables,
  existing: Inventory | null,
  now: number,
): LoadTexts {
  const table = `inet ${tableName(options.interface)}`;
  const rules = ruleset(options, settings, tables.generation);
  const regular = rules.filter(({ hook }) => hook === '');
  const bases = rules.filter(({ hook }) => hook !== '');
  const counters = [
    ...DROP_COUNTERS.map((name) => `drop_${name}`),
    PROBE_COUNTER,
    EGRESS_COUNTER,
    ...tables.counters.current.keys(),
  ];
  const beside = [...objects(table, tables.generation), ...chains(table, regular)];
  for (const map of Object.values(tables.maps)) beside.push(...renderAll(table, map, now));
  const prepare = [`add table ${table}`, ...counters.map((name) => `add counter ${table} ${name}`), ...beside];
  const swap = chains(table, bases);
  return {
    prepare: existing && script(prepare),
    swap: script(existing ? swap : [...prepare, ...swap]),
    cleanup: existing && cleanupText(table, rules, tables.generation, counters, existing),
    replace: script([
      `add table ${table}`,
      `delete table ${table}`,
      `add table ${table}`,
      ...counters.map((name) => `add counter ${table} ${name}${countText(existing?.counters.get(name))}`),
      ...beside,
      ...swap,
    ]),
  };
}

function objects(table: string, generation: Generation): string[] {
  const maps = MAPS.map(({ name, type, flags }) => {
    const flagText = flags ? ` flags ${flags};` : '';
    return `add map ${table} ${generated(name, generation)} { type ${type};${flagText} }`;
  });
  const sets = GENERATED_SETS.map(({ name, spec }) => `add set ${table} ${generated(name, generation)} { ${spec} }`);
  return [...maps, ...sets];
}

/** Base chains may already exist, so the text empties them. Adding an existing chain changes nothing. */
function chains(table: string, rules: Ruleset): string[] {
  const lines: string[] = [];
  for (const { name, hook } of rules) {
    lines.push(`add chain ${table} ${name}${hook}`);
    if (hook) lines.push(`flush chain ${table} ${name}`);
  }
  for (const chain of rules) for (const rule of chain.rules) lines.push(`add rule ${table} ${chain.name} ${rule}`);
  return lines;
}

function cleanupText(
  table: string,
  rules: Ruleset,
  generation: Generation,
  counters: readonly string[],
  existing: Inventory,
): string | null {
  const keep = new Set([
    ...rules.map(({ name }) => name),
    ...[...MAPS, ...GENERATED_SETS].map(({ name }) => generated(name, generation)),
    ...counters,
  ]);
  const oldChains = existing.chains.filter((name) => !keep.has(name));
  const lines = [
    ...oldChains.map((name) => `flush chain ${table} ${name}`),
    ...oldChains.map((name) => `delete chain ${table} ${name}`),
    ...[...existing.maps].filter(([name]) => !keep.has(name)).map(([name, kind]) => `delete ${kind} ${table} ${name}`),
    ...[...existing.counters.keys()].filter((name) => !keep.has(name)).map((name) => `delete counter ${table} ${name}`),
  ];
  return lines.length === 0 ? null : script(lines);
}

function countText(count: Count | undefined): string {
  return count ? ` { packets ${count.packets} bytes ${count.bytes} }` : '';
}

function script(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}

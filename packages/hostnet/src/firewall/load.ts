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

/** Names of what a table holds already, and its counters. */
export interface Inventory {
  readonly chains: readonly string[];
  /** Maps and named sets. */
  readonly maps: ReadonlyMap<string, 'map' | 'set'>;
  readonly counters: ReadonlyMap<string, Count>;
}

/**
 * A whole load, as transactions to be made one after another. A table that is deleted and made anew loses the packets
 * that are just inside its chains, since their look-ups find the old maps emptied; and the kernel publishes new ranges a
 * moment later than new rules. So the new chains and maps are built beside the old ones, under names of another
 * generation, then the base chains are turned to them, and what is left over goes when no packet can be inside any more.
 * Counters stay and go on counting.
 */
export interface LoadTexts {
  /** Null if there is no table yet: then `swap` makes everything at once. */
  readonly prepare: string | null;
  readonly swap: string;
  /** Null if there is nothing to remove. */
  readonly cleanup: string | null;
  /** One transaction that deletes the table first, for when the existing one does not take the others. */
  readonly replace: string;
}

/** The generation whose names the existing table does not use. */
export function freeGeneration(existing: Inventory | null): Generation {
  const names = existing ? [...existing.chains, ...existing.maps.keys()] : [];
  const used = (generation: Generation): boolean => names.some((name) => name.endsWith(`_${generation}`));
  return (['a', 'b', 'c'] as const).find((generation) => !used(generation)) ?? 'a';
}

/** Transactions that load these tables beside what exists. */
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

/** Base chains may exist already, so they are emptied; adding one again changes nothing. */
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

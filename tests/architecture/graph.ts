import { dirname, normalize } from 'node:path';
import { type Package, readText, type SourceFile } from './workspace.ts';

/** The files that each file imports, as paths from the root of the project. */
export type ImportGraph = ReadonlyMap<string, ReadonlySet<string>>;

/** Returns who imports whom among the files of the project, types included; other modules are left out. */
export function importGraph(sources: readonly SourceFile[], packages: readonly Package[]): ImportGraph {
  const known = new Set(sources.map(({ path }) => path));
  const entries = packageEntries(packages);
  return new Map(
    sources.map(({ path, imports }) => {
      const targets = imports.flatMap(({ specifier }) => targetOf(path, specifier, entries) ?? []);
      return [path, new Set(targets.filter((target) => known.has(target)))];
    }),
  );
}

/** Returns the groups of files that import each other in a circle, each sorted, in the order of their first files. */
export function importCircles(graph: ImportGraph): string[][] {
  const reach = new Map([...graph.keys()].map((file) => [file, reachable(graph, file)]));
  const circles: string[][] = [];
  const placed = new Set<string>();
  for (const file of [...graph.keys()].sort()) {
    if (placed.has(file) || !reach.get(file)?.has(file)) continue;
    const circle = [...(reach.get(file) ?? [])].filter((other) => reach.get(other)?.has(file)).sort();
    for (const member of circle) placed.add(member);
    circles.push(circle);
  }
  return circles;
}

/** The file that an import leads to; undefined for modules outside the project. */
export function targetOf(
  from: string,
  specifier: string,
  entries: ReadonlyMap<string, string> = new Map(),
): string | undefined {
  return specifier.startsWith('.') ? normalize(`${dirname(from)}/${specifier}`) : entries.get(specifier);
}

/** Source files of the names under which packages are imported. */
function packageEntries(packages: readonly Package[]): ReadonlyMap<string, string> {
  const entries = new Map<string, string>();
  for (const { folder } of packages) {
    const { name, exports = {} } = JSON.parse(readText(`${folder}/package.json`));
    for (const [key, value] of Object.entries(exports as Record<string, string | { default: string }>)) {
      const file = typeof value === 'string' ? value : value.default;
      entries.set(normalize(`${name}/${key}`).replace(/\/$/, ''), normalize(`${folder}/${file}`));
    }
  }
  return entries;
}

/** Files that `start` imports, directly or through others; `start` itself only when it is on a circle. */
export function reachable(graph: ImportGraph, start: string): ReadonlySet<string> {
  const found = new Set<string>();
  const open = [start];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    for (const target of graph.get(file) ?? []) {
      if (found.has(target)) continue;
      found.add(target);
      open.push(target);
    }
  }
  return found;
}

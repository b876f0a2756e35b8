import { readdirSync, statSync } from 'node:fs';
import { isAbsolute, join, normalize, relative } from 'node:path';

const TEST_ROOTS = ['packages', 'apps', 'build', 'tests'];
const NEVER = new Set(['node_modules', 'dist']);

/**
 * The test files below the given paths, relative to `root` and sorted; below all of the project's folders when no path
 * is given. Throws when a path does not exist or holds no test, so that a typing mistake cannot look like success.
 */
export function selectTestFiles(root: string, paths: string[]): string[] {
  const files = new Set<string>();
  for (const path of paths.length > 0 ? paths : TEST_ROOTS) {
    const found = testFilesBelow(root, normalize(isAbsolute(path) ? relative(root, path) : path));
    if (found.length === 0) throw new Error(`${path} holds no *.test.ts file`);
    for (const file of found) files.add(file);
  }
  return [...files].sort();
}

function testFilesBelow(root: string, path: string): string[] {
  const stats = statSync(join(root, path), { throwIfNoEntry: false });
  if (!stats) throw new Error(`${path} does not exist`);
  if (stats.isFile()) return path.endsWith('.test.ts') ? [path] : [];
  return readdirSync(join(root, path), { withFileTypes: true }).flatMap((entry) => {
    if (NEVER.has(entry.name) || entry.isSymbolicLink()) return [];
    return testFilesBelow(root, join(path, entry.name));
  });
}

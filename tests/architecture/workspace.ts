import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findImports, type Import, lineAt, maskText } from './scan.ts';

export const root = join(import.meta.dirname, '../..');

export interface Manifest {
  name: string;
  workspaces?: string[];
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

/** A workspace package. */
export interface Package {
  /** `packages/policy`, `tests` … */
  folder: string;
  manifest: Manifest;
}

export interface SourceFile {
  /** From the root of the project. */
  path: string;
  source: string;
  /** The source with comments and text blanked, offsets kept. */
  code: string;
  imports: Import[];
  /** undefined for files outside any workspace package (scripts). */
  owner: Package | undefined;
}

export function readText(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

export function readManifest(folder: string): Manifest {
  return JSON.parse(readText(join(folder, 'package.json')));
}

export function readPackages(): Package[] {
  return globSync(readManifest('.').workspaces ?? [], { cwd: root })
    .filter((folder) => existsSync(join(root, folder, 'package.json')))
    .sort()
    .map((folder) => ({ folder, manifest: readManifest(folder) }));
}

/** All TypeScript of the project, generated files apart. */
export function readSources(): SourceFile[] {
  const packages = readPackages();
  const paths = globSync('{packages,apps,tests,bench,build,scripts}/**/*.ts', {
    cwd: root,
    exclude: (path) => /(^|\/)(node_modules|dist)$/.test(path),
  });
  return paths.sort().map((path) => {
    const source = readText(path);
    return {
      path,
      source,
      code: maskText(source),
      imports: findImports(source),
      owner: packages.find(({ folder }) => path.startsWith(`${folder}/`)),
    };
  });
}

/** Code that is never shipped: tests, what they share, benchmarks. */
export function isTestCode(path: string): boolean {
  return (
    /^(tests|bench|packages\/testkit)\//.test(path) ||
    /\.test\.ts$/.test(path) ||
    dirname(path).split('/').includes('testing')
  );
}

/** `path:line` of every match of `pattern` in the code of a file. */
export function places(file: SourceFile, pattern: RegExp): { place: string; text: string }[] {
  return [...file.code.matchAll(pattern)].map((match) => ({
    place: `${file.path}:${lineAt(file.source, match.index)}`,
    text: match[0].replace(/\s+/g, ' '),
  }));
}

/** Fails with all findings at once. */
export function assertNone(findings: string[]): void {
  assert.ok(findings.length === 0, `\n${findings.join('\n')}\n`);
}

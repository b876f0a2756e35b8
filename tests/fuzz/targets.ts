import { globSync } from 'node:fs';
import { basename, join } from 'node:path';

/** A module `NAME.fuzz.ts` of this folder. */
export interface TargetModule {
  readonly name: string;
  /** Generates one input from random numbers and feeds it. Throws when the subject breaks its contract. */
  readonly target: (random: () => number) => void | Promise<void>;
}

/** A fuzz target with its file. */
export interface TargetFile {
  readonly name: string;
  readonly path: string;
}

/** Returns all targets, by file name. */
export function findTargets(): TargetFile[] {
  const paths = globSync('*.fuzz.ts', { cwd: import.meta.dirname }).sort();
  return paths.map((path) => ({ name: basename(path, '.fuzz.ts'), path: join(import.meta.dirname, path) }));
}

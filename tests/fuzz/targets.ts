import { globSync } from 'node:fs';
import { basename, join } from 'node:path';

/** A module `NAME.fuzz.ts` of this folder. */
export interface TargetModule {
  readonly name: string;
  /** Makes one input from the random numbers and feeds it. Throws when what it feeds breaks its promise. */
  readonly target: (random: () => number) => void | Promise<void>;
}

export interface TargetFile {
  readonly name: string;
  readonly path: string;
}

/** All targets, by file name. */
export function findTargets(): TargetFile[] {
  const paths = globSync('*.fuzz.ts', { cwd: import.meta.dirname }).sort();
  return paths.map((path) => ({ name: basename(path, '.fuzz.ts'), path: join(import.meta.dirname, path) }));
}

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { PrimaryMemory } from './db/postgres/known-primary.ts';

const Known = z.object({
  system: z.string().nullable(),
  timeline: z.int().positive(),
  mark: z.string(),
  synchronous: z.boolean(),
  version: z.int().nonnegative(),
});

/**
 * Keeps in the data directory which primary server this controller used last, so that it does not go back to an older one
 * after a restart. `forget`: the file that is there does not count. `failed`: it could not be written; then the next start
 * knows less.
 */
export function primaryMemory(dataDir: string, forget: boolean, failed: (error: unknown) => void): PrimaryMemory {
  const file = join(dataDir, 'database-server.json');
  return {
    read: () => (forget ? null : readKnown(file)),
    write: (known) => {
      try {
        writeFileSync(`${file}.partial`, `${JSON.stringify(known)}\n`, { mode: 0o600, flush: true });
        renameSync(`${file}.partial`, file);
      } catch (error) {
        failed(error);
      }
    },
  };
}

function readKnown(file: string): z.infer<typeof Known> | null {
  try {
    return Known.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return null;
  }
}

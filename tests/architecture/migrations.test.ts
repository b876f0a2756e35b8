import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertNone, root } from './workspace.ts';

/** The SQLite migrations that the first one of PostgreSQL stands for. */
const merged = 14;

test('each migration stands in both folders under the same name', () => {
  const names = (folder: string): string[] =>
    readdirSync(join(root, 'apps/controller/src/db/migrations', folder)).filter(
      (name) => Number(name.slice(0, 4)) > merged,
    );
  const [sqlite, postgres] = [names('sqlite'), names('postgres')];
  const missing = (from: string[], to: string[], folder: string) =>
    from
      .filter((name) => !to.includes(name))
      .map(
        (name) =>
          `apps/controller/src/db/migrations/${folder}/${name} is missing: see "A migration" in CONTRIBUTING.md`,
      );
  assertNone([...missing(sqlite, postgres, 'postgres'), ...missing(postgres, sqlite, 'sqlite')]);
});

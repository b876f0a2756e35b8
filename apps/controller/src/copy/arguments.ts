import { readFileSync } from 'node:fs';
import { strictArguments, UsageError } from '../backup/strict-arguments.ts';
import { attempt } from '../system-error.ts';

/** Copies the database to PostgreSQL, or from there into a file. */
export interface CopyCommand {
  readonly direction: 'help' | 'to' | 'from';
  readonly dataDir: string;
  readonly url: string | null;
  /** Leads around a pooler; null: there is none. */
  readonly directUrl: string | null;
  readonly caFile: string | null;
  readonly json: boolean;
}

/** Help of the command. */
export const copyHelp = `Usage: sally operator copy-database --to|--from [options]

Copies everything between the embedded database in the data directory and a PostgreSQL database.
No controller may run on either. The target must be empty, and stays so until the copy is whole
and compared, table by table. The source stays as it is.

  --to              from the file to PostgreSQL
  --from            from PostgreSQL to the file
  --data-dir DIR    data directory of the controller (SALLYPORT_DATA_DIR, ./data)
  --json            print the result as JSON

The URL of the PostgreSQL database comes from SALLYPORT_DATABASE_URL_FILE or SALLYPORT_DATABASE_URL,
because command lines are public. SALLYPORT_DATABASE_DIRECT_URL, which leads around a pooler, and
SALLYPORT_DATABASE_CA_FILE count as for the controller.

Exit codes: 0 done, 1 failed, 2 wrong usage.
`;

type Environment = Readonly<Record<string, string | undefined>>;

/** Returns the command when the first word names it; otherwise null. Throws UsageError. */
export function parseCopy(args: readonly string[], env: Environment): CopyCommand | null {
  const [name, ...rest] = args;
  if (name !== 'copy-database') return null;
  const { values, positionals } = strictArguments(name, { args: rest, options, strict: true, allowPositionals: true });
  if (positionals.length > 0)
    throw new UsageError(
      'copy-database: the URL holds a password, so it is not taken from the command line: set SALLYPORT_DATABASE_URL_FILE',
    );
  if (values['data-dir'] === '') throw new UsageError('--data-dir: the value is empty');
  const { to = false, from = false, help = false } = values;
  if (!help && to === from) throw new UsageError('copy-database: name one direction, --to or --from');
  return {
    direction: help ? 'help' : to ? 'to' : 'from',
    dataDir: values['data-dir'] ?? (env.SALLYPORT_DATA_DIR || './data'),
    url: help ? null : neededUrl(env),
    directUrl: help ? null : urlOf(env, 'SALLYPORT_DATABASE_DIRECT_URL'),
    caFile: env.SALLYPORT_DATABASE_CA_FILE || null,
    json: values.json === true,
  };
}

function neededUrl(env: Environment): string {
  const url = urlOf(env, 'SALLYPORT_DATABASE_URL');
  if (url === null) throw new UsageError('copy-database: set SALLYPORT_DATABASE_URL_FILE to a file that holds the URL');
  return url;
}

function urlOf(env: Environment, setting: string): string | null {
  const [url, file] = [env[setting], env[`${setting}_FILE`]];
  if (url || !file) return url || null;
  return attempt(`${setting}_FILE: ${file} cannot be read`, () => readFileSync(file, 'utf8')).trim();
}

const options = {
  to: { type: 'boolean' },
  from: { type: 'boolean' },
  'data-dir': { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

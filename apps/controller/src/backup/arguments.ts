import { strictArguments, UsageError } from './strict-arguments.ts';

interface Common {
  /** Path, or `-` for standard output or input. */
  readonly file: string;
  readonly dataDir: string;
  readonly passphraseFile: string | null;
  readonly json: boolean;
}

/** A command of the backup program, with its options. */
export type Command =
  | ({ readonly kind: 'backup'; readonly plain: boolean; readonly force: boolean } & Common)
  | ({ readonly kind: 'verify' } & Common)
  | ({
      readonly kind: 'restore';
      readonly dryRun: boolean;
      readonly replace: boolean;
      readonly masterKeyFile: string | null;
    } & Common)
  | { readonly kind: 'help' };

/** Settings of the environment, used where the command line is silent. */
export interface Defaults {
  readonly dataDir: string | undefined;
  readonly passphraseFile: string | undefined;
  readonly masterKeyFile: string | undefined;
}

/** Help of the backup program. */
export const helpText = `Usage: sally operator backup FILE [options]
       sally operator backup --verify FILE [options]
       sally operator restore FILE [options]
       sally operator copy-database --help
       sally operator rotate-master-key --help
       sally operator rotate-signing-key --help
       sally operator replicas --help

backup writes the database, the master key and the local gateway's identity of the running
controller into one file, encrypted with a passphrase. The controller goes on meanwhile.
restore puts them into the data directory of a controller that does not run. The restored
controller begins a new epoch: agents take what it says as the new truth.
FILE may be - for standard output, or standard input.

Options of backup:
  --plain                   do not encrypt: the file then holds the master key for all to read
  --force                   replace FILE
  --verify                  make no backup; check FILE whole and print what is in it

Options of restore:
  --replace                 where there is an installation already: move it aside, into
                            before-restore-… in the data directory
  --dry-run                 check FILE whole and print what is in it, and change nothing
  --master-key-file FILE    where the controller looks for its key (SALLYPORT_MASTER_KEY_FILE)

Options of both:
  --data-dir DIR            data directory of the controller (SALLYPORT_DATA_DIR, ./data)
  --passphrase-file FILE    file whose first line is the passphrase; else
                            SALLYPORT_BACKUP_PASSPHRASE_FILE, SALLYPORT_BACKUP_PASSPHRASE, or
                            what is typed on the terminal
  --json                    print the result as JSON

Exit codes: 0 done, 1 failed, 2 wrong usage.
`;

const common = {
  'data-dir': { type: 'string' },
  'passphrase-file': { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;
const options = {
  backup: { ...common, plain: { type: 'boolean' }, force: { type: 'boolean' }, verify: { type: 'boolean' } },
  restore: {
    ...common,
    replace: { type: 'boolean' },
    'dry-run': { type: 'boolean' },
    'master-key-file': { type: 'string' },
  },
} as const;

type Values = Readonly<Record<string, string | boolean | undefined>>;

/** Reads the command line, without program and script. Throws UsageError. */
export function parseCommand(args: readonly string[], defaults: Defaults): Command {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h') return { kind: 'help' };
  if (name !== 'backup' && name !== 'restore')
    throw new UsageError(
      `unknown command ${JSON.stringify(name)}: it is backup, restore, copy-database, rotate-master-key, rotate-signing-key or replicas`,
    );
  const config = { args: rest, options: options[name], strict: true, allowPositionals: true } as const;
  const parsed = strictArguments(name, config);
  const [values, positionals] = [parsed.values as Values, parsed.positionals];
  if (values.help === true) return { kind: 'help' };
  const [file, ...more] = positionals;
  if (file === undefined || file === '')
    throw new UsageError(`${name}: name the file, or - for standard ${name === 'backup' ? 'output' : 'input'}`);
  if (more.length > 0) throw new UsageError(`${name}: one file at a time, not also ${more.join(' ')}`);
  const shared: Common = {
    file,
    dataDir: text(values, 'data-dir') ?? (defaults.dataDir || './data'),
    passphraseFile: text(values, 'passphrase-file') ?? (defaults.passphraseFile || null),
    json: values.json === true,
  };
  if (name === 'backup') return backupCommand(values, shared);
  return {
    kind: 'restore',
    ...shared,
    dryRun: values['dry-run'] === true,
    replace: values.replace === true,
    masterKeyFile: text(values, 'master-key-file') ?? (defaults.masterKeyFile || null),
  };
}

function backupCommand(values: Values, shared: Common): Command {
  const [plain, force] = [values.plain === true, values.force === true];
  if (values.verify !== true) return { kind: 'backup', ...shared, plain, force };
  if (plain || force) throw new UsageError('backup: --verify writes nothing, so it takes neither --plain nor --force');
  return { kind: 'verify', ...shared };
}

function text(values: Values, name: string): string | null {
  const value = values[name];
  if (value === undefined) return null;
  if (typeof value !== 'string' || value === '') throw new UsageError(`--${name}: the value is empty`);
  return value;
}

import { strictArguments, UsageError } from '../backup/strict-arguments.ts';

/** Keys that the operator can replace. */
export type RotatedKey = 'master-key' | 'signing-key';

/** A command that replaces a key. */
export interface RotationCommand {
  readonly kind: 'rotate';
  readonly key: RotatedKey;
  readonly step: 'help' | 'look' | 'rotate' | 'finish';
  readonly dataDir: string;
  readonly json: boolean;
}

/** Help of the commands that replace keys. */
export const rotationHelp: Readonly<Record<RotatedKey, string>> = {
  'master-key': `Usage: sally operator rotate-master-key [--dry-run | --finish] [options]

Replaces the master key, which encrypts the secrets in the database. The running controller makes
a new key, writes it into its key file above the old one, and encrypts every secret again.
It goes on answering meanwhile. After an interruption, run the command again.

  --dry-run         print the keys and how many secrets each encrypts, and change nothing
  --finish          check that no secret needs the old key, and remove it from the key file. It then
                    lies beside the key file as …old-NAME, because backups that the controller made
                    before an upgrade open with it. Remove that file yourself.
  --data-dir DIR    data directory of the controller (SALLYPORT_DATA_DIR, ./data)
  --json            print the result as JSON

Backups from before hold the old key themselves and can be restored. Make a new one in the end.
Several controllers on one database: stop all but one, and give the others the new file.

Exit codes: 0 done, 1 failed, 2 wrong usage.
`,
  'signing-key': `Usage: sally operator rotate-signing-key [--dry-run | --finish] [options]

Replaces the key by which gateways and devices know the running controller. The old key signs that
the new one takes its place. Agents of this version follow when they connect, and those that are
connected come back one after the other; their tunnels stay. New tokens carry the new key.
Older agents know the old key only, and go on with it until --finish.

  --dry-run         print the keys and the agents that do not know the new one, and change nothing
  --finish          forget the old key, and print the agents that do not know the new one. Those of
                    this version follow when they connect. Older ones must be upgraded before.
  --data-dir DIR    data directory of the controller (SALLYPORT_DATA_DIR, ./data)
  --json            print the result as JSON

Make a backup in the end: agents that have followed do not trust an older one.
Several controllers on one database: each live one takes the new key, or nothing changes.

Exit codes: 0 done, 1 failed, 2 wrong usage.
`,
};

/** Returns the command when the first word names one that replaces a key; otherwise null. Throws UsageError. */
export function parseRotation(args: readonly string[], dataDir: string | undefined): RotationCommand | null {
  const [name = '', ...rest] = args;
  const key = name.replace(/^rotate-/, '');
  if (!name.startsWith('rotate-') || !(key in rotationHelp)) return null;
  const { values } = strictArguments(name, { args: rest, options, strict: true });
  if (values['dry-run'] === true && values.finish === true)
    throw new UsageError(`${name}: --dry-run and --finish exclude each other: --dry-run shows what --finish finds`);
  if (values['data-dir'] === '') throw new UsageError('--data-dir: the value is empty');
  const step = values.finish === true ? 'finish' : values['dry-run'] === true ? 'look' : 'rotate';
  return {
    kind: 'rotate',
    key: key as RotatedKey,
    step: values.help === true ? 'help' : step,
    dataDir: values['data-dir'] ?? (dataDir || './data'),
    json: values.json === true,
  };
}

const options = {
  'dry-run': { type: 'boolean' },
  finish: { type: 'boolean' },
  'data-dir': { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

import type { Command } from 'commander';
import { type ExitCode, exitCodes, Failure, Finished } from '../failure.ts';
import type { Session } from '../session.ts';

/**
 * Adds `sally operator …` to help and completion. It is a program of the controller, which `bin/sally` starts directly.
 * These entries also catch options of `sally` written before the command.
 */
export function addOperator(program: Command, session: Session): void {
  const group = program.command('operator').description('backups, keys and replicas, on the controller’s host');
  const add = (name: string, description: string, options: readonly string[]): void => {
    const command = group.command(name).description(description).allowUnknownOption().helpOption(false);
    for (const option of [...options, '--help']) command.option(option);
    command.argument('[args...]').action(() => runOperator(name, session));
  };
  add('backup', 'back up database, master key and local gateway to one file', [
    '--plain',
    '--force',
    '--verify',
    passphrase,
  ]);
  add('restore', 'restore a backup into a data directory', [
    '--replace',
    '--dry-run',
    '--master-key-file <file>',
    passphrase,
  ]);
  add('copy-database', 'copy everything to a PostgreSQL database, or back into a file', ['--to', '--from']);
  add('rotate-master-key', 'replace the key that encrypts secrets in the database', ['--dry-run', '--finish']);
  add('rotate-signing-key', 'replace the key by which agents know the controller', ['--dry-run', '--finish']);
  add('replicas', 'list the controllers that share the database', []);
}

const passphrase = '--passphrase-file <file>';

async function runOperator(name: string, session: Session): Promise<void> {
  const { runOperator: start, argv } = session.io;
  if (start === undefined || argv === undefined) {
    throw new Failure(exitCodes.usage, `sally operator ${name} is a separate program`, {
      hint: `Start it as bin/sally operator ${name}.`,
    });
  }
  const rest = argv.slice(argv.indexOf('operator') + 2);
  const { dataDir } = session.flags;
  const folder =
    dataDir === undefined || rest.some((word) => word.startsWith('--data-dir')) ? [] : ['--data-dir', dataDir];
  const json = session.json && !rest.includes('--json') ? ['--json'] : [];
  const code = await start([name, ...rest, ...folder, ...json]);
  if (code !== exitCodes.ok) throw new Finished(code as ExitCode);
}

import type { Command } from 'commander';
import { usage } from '../failure.ts';

/** Adds `sally doctor` and `sally uninstall` to help and completion. `bin/sally` starts these programs directly. */
export function addHost(program: Command): void {
  const add = (name: string, description: string, options: readonly string[]): void => {
    const command = program
      .command(name)
      .description(description)
      .allowUnknownOption()
      .allowExcessArguments()
      .helpOption(false);
    for (const option of [...options, '--help']) command.option(option);
    command.action(() => {
      throw usage(`sally ${name} is a separate program`, `Type \`sally ${name}\` without other words in between.`);
    });
  };
  add('doctor', 'check this host, and say what to do', [
    '--controller <url>',
    '--ca-file <file>',
    '--data-dir <dir>',
    '--gateway-state <dir>',
    '--client-state <dir>',
    '--bundle <file>',
    '--json',
  ]);
  add('uninstall', 'undo everything on this host, and remove the program', ['--dry-run', '--keep-state']);
}

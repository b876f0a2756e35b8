import type { Command } from 'commander';
import { usage } from '../failure.ts';

/** Adds `sally controller run` to help and completion. `bin/sally` starts that program directly. */
export function addController(program: Command): void {
  program
    .command('controller')
    .description('run the controller, on its host')
    .command('run')
    .description('run the controller in the foreground: sally controller run --help')
    .allowUnknownOption()
    .allowExcessArguments()
    .helpOption(false)
    .action(() => {
      throw usage(
        'The controller is a separate program, which bin/sally starts',
        'Type `sally controller run` without other words in between.',
      );
    });
}

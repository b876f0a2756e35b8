import type { Command, CommanderError, Option } from 'commander';
import { exitCodes, Finished, usage } from './failure.ts';
import { didYouMean } from './text.ts';

/** Turns a command line that cannot be parsed into a failure with suggestions. */
export function usageFailure(error: CommanderError, program: Command, argv: readonly string[]): Error {
  // Help or version was requested, or a family had no command; its help is printed already.
  if (error.exitCode === 0) return new Finished(exitCodes.ok);
  if (error.code === 'commander.help') return new Finished(exitCodes.usage);
  const text = error.message.replace(/^error: /, '');
  const message = text.charAt(0).toUpperCase() + text.slice(1);
  const command = commandAt(program, argv);
  const typed = /'([^']*)'/.exec(text)?.[1] ?? '';
  const like = didYouMean(typed, candidates(error.code, program, command));
  return usage(message, like ?? `See: ${pathOf(command)} --help`);
}

/** Returns the command that the words lead to, as far as they are commands. */
export function commandAt(program: Command, argv: readonly string[]): Command {
  let command = program;
  for (const word of argv) {
    const next = command.commands.find((child) => child.name() === word || child.aliases().includes(word));
    if (next !== undefined) command = next;
    else if (!word.startsWith('-') && command !== program) break;
  }
  return command;
}

function candidates(code: string, program: Command, command: Command): string[] {
  if (code === 'commander.unknownCommand')
    return command.commands.flatMap((child) => [child.name(), ...child.aliases()]);
  if (code !== 'commander.unknownOption') return [];
  const options: readonly Option[] = [...command.options, ...program.options];
  return [...options.flatMap(({ long }) => long ?? []), '--help'];
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

import type { Command } from 'commander';
import { type CompletionWords, completionScript, shells } from '../completion.ts';
import { usage } from '../failure.ts';
import type { Session } from '../session.ts';
import { hintFor } from '../text.ts';

/** Adds `sally completion`. */
export function addCompletion(program: Command, session: Session): void {
  program
    .command('completion')
    .argument('<shell>', shells.join(', '))
    .description('print the completion script of a shell')
    .addHelpText(
      'after',
      `
Examples:
  sally completion bash > ~/.local/share/bash-completion/completions/sally
  sally completion zsh > "\${fpath[1]}/_sally"
  sally completion fish > ~/.config/fish/completions/sally.fish`,
    )
    .action((text: string) => {
      const shell = shells.find((known) => known === text);
      if (shell === undefined)
        throw usage(`No completion for ${text}`, hintFor(text, shells, `There is one for ${shells.join(', ')}.`));
      session.out(completionScript(shell, completionWords(program)));
    });
}

/** Returns the words that may follow each command, keyed by the path to it; aliases count as paths as well. */
function completionWords(program: Command): CompletionWords {
  const words: [string, string[]][] = [];
  const walk = (command: Command, paths: readonly string[]): void => {
    const commands = command.commands.flatMap((child) => [child.name(), ...child.aliases()]);
    const own = command.options.flatMap(({ long }) => long ?? []);
    const global = program.options.flatMap(({ long }) => long ?? []);
    for (const path of paths) words.push([path, [...new Set([...commands, ...own, ...global, '--help'])]]);
    for (const child of command.commands)
      walk(
        child,
        paths.flatMap((path) => [child.name(), ...child.aliases()].map((name) => `${path} ${name}`.trim())),
      );
  };
  walk(program, ['']);
  return words;
}

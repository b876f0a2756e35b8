import type { Command } from 'commander';
import { createProgram } from '../program.ts';

/** Every command that does something, by the words that lead to it. */
export function leafCommands(): string[] {
  const program = createProgram({
    env: {},
    version: '0.0.0',
    stdin: process.stdin,
    stdout: { write: () => true },
    stderr: { write: () => true },
    now: () => new Date(0),
    wait: async () => {},
    randomBytes: (size) => new Uint8Array(size),
  });
  const walk = (command: Command, path: string): string[] =>
    command.commands.length === 0
      ? [path]
      : command.commands.flatMap((child) => walk(child, `${path} ${child.name()}`.trim()));
  return walk(program, '');
}

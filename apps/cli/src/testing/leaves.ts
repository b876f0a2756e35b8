import type { Command } from 'commander';
import { loadFamilies } from '../families.ts';
import { createProgram } from '../program.ts';

/** Returns the full name of every command without subcommands. */
export async function leafCommands(): Promise<string[]> {
  const io = {
    env: {},
    version: '0.0.0',
    stdin: process.stdin,
    stdout: { write: () => true },
    stderr: { write: () => true },
    now: () => new Date(0),
    wait: async () => {},
    randomBytes: (size: number) => new Uint8Array(size),
  };
  const program = createProgram(io, await loadFamilies());
  const walk = (command: Command, path: string): string[] =>
    command.commands.length === 0
      ? [path]
      : command.commands.flatMap((child) => walk(child, `${path} ${child.name()}`.trim()));
  return walk(program, '');
}

import { lstat, mkdir, readlink, rm, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { root } from '@sallyport/program/place';
import type { Command } from 'commander';
import { exitCodes, Failure } from '../failure.ts';
import { codeOf } from '../files.ts';
import type { Session } from '../session.ts';

interface Flags {
  readonly dir?: string;
  readonly remove?: boolean;
}

const everybody = '/usr/local/bin';
const program = join(root, 'bin/sally');

/** Adds `sally install-path`. */
export function addInstallPath(group: Command, session: Session): void {
  group
    .command('install-path')
    .description('link this program into a folder of PATH, so that `sally` works everywhere')
    .option('--dir <dir>', `folder of the link (default ${everybody})`)
    .option('--remove', 'remove the link')
    .addHelpText(
      'after',
      `
Examples, in the folder of the repository:
  sudo bin/sally install-path                     for all users of this machine
  bin/sally install-path --dir ~/.local/bin       for you only`,
    )
    .action(async (flags: Flags) => installPath(session, flags));
}

async function installPath(session: Session, { dir = everybody, remove = false }: Flags): Promise<void> {
  const link = join(resolve(dir), 'sally');
  const there = await linked(link);
  if (there !== undefined && there !== program)
    throw new Failure(exitCodes.conflict, `${link} is ${there === '' ? 'a file of its own' : `a link to ${there}`}`, {
      hint: 'Remove it first, or name another folder with --dir.',
    });
  try {
    if (remove) await rm(link, { force: true });
    else if (there === undefined) await place(link, resolve(dir));
  } catch (error) {
    throw failure(link, error);
  }
  if (remove) return session.note(there === undefined ? `There is no ${link}.` : `Removed ${link}.`);
  session.note(`${link} is a link to ${program}.`);
  if (!(session.io.env.PATH ?? '').split(':').includes(resolve(dir)))
    session.note(`Note: ${resolve(dir)} is not in PATH. Add it: export PATH="${resolve(dir)}:$PATH"`);
}

async function place(link: string, dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  await symlink(program, link);
}

/** Returns the target of a link; empty when the path is no link, undefined when it does not exist. */
async function linked(path: string): Promise<string | undefined> {
  try {
    return (await lstat(path)).isSymbolicLink() ? await readlink(path) : '';
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw failure(path, error);
  }
}

function failure(path: string, error: unknown): Failure {
  const code = codeOf(error);
  const closed = code === 'EACCES' || code === 'EPERM' || code === 'EROFS';
  return new Failure(exitCodes.failed, `Cannot change ${path}: ${closed ? 'permission denied' : code}`, {
    hint: closed ? 'Run the command with sudo, or only for you: bin/sally install-path --dir ~/.local/bin' : undefined,
  });
}

import { constants } from 'node:fs';
import { access, realpath } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { WireGuardError } from '../errors.ts';
import { type CommandOptions, SYSTEM_PATH, tryCommand } from './command.ts';
import { missingTool } from './failures.ts';

/** A `wireguard-go` that is installed here. */
export interface WireGuardGoBuild {
  /** Path, or the bare name if that finds it. */
  readonly program: string;
  /** The date that its version says, as in 20230223; null: it says none. */
  readonly date: number | null;
}

/** Builds before this one hand every packet to the kernel by itself. */
const FIRST_FAST = 20230101;

/** Where builds of wireguard-go are looked for, and how they are asked for their version. */
export type BuildOptions = CommandOptions & {
  /** Path of the program to take, whatever else is there. */
  readonly named?: string;
};

/**
 * The named program, or the newest in the directories of the path. Between builds of one date the first counts. Throws
 * `missing-tool`.
 */
export async function chooseBuild(options: BuildOptions): Promise<WireGuardGoBuild> {
  const { named: _, ...command } = options;
  const programs = await programsOf(options);
  const builds = await Promise.all(
    programs.map(async (program) => ({ program, date: await dateOf(program, command) })),
  );
  return builds.reduce((best, build) => ((build.date ?? 0) > (best.date ?? 0) ? build : best));
}

/** The program of that build. Where there is no choice, nothing is run to find it. */
export async function chooseProgram(options: BuildOptions): Promise<string> {
  const [first, ...others] = await programsOf(options);
  return others.length === 0 ? first : (await chooseBuild(options)).program;
}

async function programsOf({ named, path = SYSTEM_PATH }: BuildOptions): Promise<[string, ...string[]]> {
  if (named !== undefined) {
    if (!isAbsolute(named) || !(await executable(named))) throw notUsable(named);
    return [named];
  }
  const found = new Map<string, string>();
  for (const directory of path.split(':')) {
    const file = join(directory, 'wireguard-go');
    if (!(await executable(file))) continue;
    const real = await realpath(file);
    if (!found.has(real)) found.set(real, file);
  }
  const [first, ...others] = found.values();
  if (first === undefined) throw missingTool('wireguard-go');
  return ['wireguard-go', ...others];
}

/** What it costs to run an old build, and what helps; null if it is not old. */
export function slowness({ program, date }: WireGuardGoBuild): string | null {
  if (date === null || date >= FIRST_FAST) return null;
  return (
    `${program} is a build of ${String(date).slice(0, 4)}, which carries a fifth of what later builds do (0.6 instead of 3 Gbit/s ` +
    'where we measured): install one of 2023 or later, on Debian 12 from backports'
  );
}

/** Null too if it does not answer as wireguard-go does: it may be a wrapper that somebody wrote. */
async function dateOf(program: string, options: CommandOptions): Promise<number | null> {
  try {
    const { stdout } = await tryCommand(program, ['--version'], options);
    const date = /^wireguard-go v?\d+\.\d+\.(20\d{6})\b/m.exec(stdout.slice(0, 1_000))?.[1];
    return date === undefined ? null : Number(date);
  } catch (error) {
    if (error instanceof WireGuardError) return null;
    throw error;
  }
}

async function executable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

function notUsable(program: string): WireGuardError {
  const hint = 'name the file with its whole path, and see that it may be executed';
  return new WireGuardError(
    'missing-tool',
    `${JSON.stringify(program)} is no program for WireGuard in user space`,
    hint,
  );
}

import { constants } from 'node:fs';
import { access, realpath } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { WireGuardError } from '../errors.ts';
import { type CommandOptions, SYSTEM_PATH, tryCommand } from './command.ts';
import { missingTool } from './failures.ts';

/** An installed `wireguard-go`. */
export interface WireGuardGoBuild {
  /** Path of the program, or its name if the search path finds it. */
  readonly program: string;
  /** Date in its version, such as 20230223; null: the version has no date. */
  readonly date: number | null;
}

/** Date of the first fast build. Older builds pass each packet to the kernel separately. */
const FIRST_FAST = 20230101;

/** Search path for builds of wireguard-go, and options of the version query. */
export type BuildOptions = CommandOptions & {
  /** Path of the program to use. No other build is considered. */
  readonly named?: string;
};

/**
 * Returns the named program, or the newest build in the search path. Of builds with the same date, the first wins. Throws
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

/** Returns the program to run. It queries versions only if there is more than one build. */
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

/** Returns a warning about an old build with advice, or null if the build is new enough. */
export function slowness({ program, date }: WireGuardGoBuild): string | null {
  if (date === null || date >= FIRST_FAST) return null;
  return (
    `${program} is a build of ${String(date).slice(0, 4)}. Later builds forward five times as much (3 instead of 0.6 Gbit/s in our ` +
    'measurement). Install a build of 2023 or later, on Debian 12 from backports'
  );
}

/** Returns the build date, or null if the output is not that of wireguard-go. The program may be a wrapper. */
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
    `${JSON.stringify(program)} is not a program for WireGuard in user space`,
    hint,
  );
}

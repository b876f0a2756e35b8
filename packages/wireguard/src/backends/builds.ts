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

/**
 * The named program, or the newest in the directories of the path. Between builds of one date the first counts. Throws
 * `missing-tool`.
 */
export async function chooseBuild(options: CommandOptions & { readonly named?: string }): Promise<WireGuardGoBuild> {
  const { named, ...command } = options;
  if (named !== undefined) {
    if (!isAbsolute(named) || !(await executable(named))) throw notUsable(named);
    return { program: named, date: await dateOf(named, command) };
  }
  const found: WireGuardGoBuild[] = [];
  const seen = new Set<string>();
  for (const directory of (command.path ?? SYSTEM_PATH).split(':')) {
    const file = join(directory, 'wireguard-go');
    if (!(await executable(file))) continue;
    const real = await realpath(file);
    if (seen.has(real)) continue;
    seen.add(real);
    found.push({ program: found.length === 0 ? 'wireguard-go' : file, date: await dateOf(file, command) });
  }
  const [first, ...others] = found;
  if (first === undefined) throw missingTool('wireguard-go');
  return others.reduce((best, build) => ((build.date ?? 0) > (best.date ?? 0) ? build : best), first);
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

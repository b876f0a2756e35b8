import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import type { Command, Option } from 'commander';
import { type Connection, createClient } from './client.ts';
import { exitCodes } from './failure.ts';
import { loadFamilies } from './families.ts';
import { makePrivateFolder, readText, writeSecret } from './files.ts';
import { createProgram } from './program.ts';
import { type Kind, kinds } from './resolve.ts';
import type { GlobalFlags, Io } from './session.ts';
import { resolveConnection } from './settings.ts';
import { clean } from './text.ts';
import { commandAt } from './usage-errors.ts';

/**
 * Prints the names that can complete the last word of the command line `words`, one a line. Prints nothing when the
 * controller does not answer at once. Shells call it as `sally __complete WORD...`.
 */
export async function complete(words: readonly string[], io: Io): Promise<number> {
  try {
    const program = createProgram(io, await loadFamilies(words));
    const kind = kindAt(program, words);
    if (kind === undefined) return exitCodes.ok;
    program.parseOptions([...words]);
    const { apiKeyFile, ...flags } = program.opts<GlobalFlags>();
    const file = apiKeyFile === undefined || apiKeyFile === '-' ? {} : { apiKeyFile };
    const connection = await resolveConnection({ ...flags, ...file }, io.env, async () => '');
    const begun = (words.at(-1) ?? '').toLowerCase();
    const names = await namesOf(kind, connection, io);
    for (const name of names)
      if (name.toLowerCase().startsWith(begun) && clean(name) === name) io.stdout.write(`${name}\n`);
  } catch {
    // A shell has no place for a message during completion.
  }
  return exitCodes.ok;
}

type KindName = keyof typeof kinds;

/** Kinds of objects of arguments and options that do not carry the name of their kind. */
const CALLED: Readonly<Record<string, KindName>> = {
  owner: 'user',
  from: 'device',
  destination: 'resource',
  entryGateway: 'gateway',
};

/** Returns the kind of object that the last word names; undefined for any other word. */
function kindAt(program: Command, words: readonly string[]): KindName | undefined {
  const before = words.slice(0, -1);
  const command = commandAt(program, before);
  const last = before.at(-1) ?? '';
  const option = optionOf(command, last) ?? optionOf(program, last);
  if (option !== undefined && takesValue(option)) return kindCalled(option.attributeName(), command);
  const index = operands(program, command, before);
  const all = command.registeredArguments;
  const argument = all[Math.min(index, all.length - 1)];
  if (argument === undefined || (index >= all.length && !argument.variadic)) return undefined;
  return kindCalled(argument.name(), command);
}

function kindCalled(name: string, command: Command): KindName | undefined {
  // `keys delete` and `enrolment-keys delete` both take a key.
  if (name === 'key' && command.parent?.name() === 'enrolment-keys') return 'enrolmentKey';
  const candidates = [CALLED[name], name, name.replace(/s$/, ''), name.replace(/ies$/, 'y'), name.replace(/es$/, '')];
  return candidates.find((word): word is KindName => word !== undefined && Object.hasOwn(kinds, word));
}

/** Returns how many arguments of the command are typed already. */
function operands(program: Command, command: Command, words: readonly string[]): number {
  let count = 0;
  let depth = 0;
  for (let owner: Command = command; owner.parent !== null; owner = owner.parent) depth += 1;
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? '';
    const option = optionOf(command, word) ?? optionOf(program, word);
    if (option !== undefined && takesValue(option)) index += 1;
    else if (!word.startsWith('-')) count += 1;
  }
  return Math.max(0, count - depth);
}

const optionOf = (command: Command, word: string): Option | undefined =>
  command.options.find(({ long, short }) => word !== '' && (long === word || short === word));

const takesValue = (option: Option): boolean => option.required || option.optional;

/** Longest wait of a completion, and how long an answer stays valid. */
const ANSWER_MS = 1_500;
const FRESH_MS = 30_000;

/** Returns the names of all objects of a kind; names of the last half minute come from the cache. */
async function namesOf(kind: KindName, connection: Connection, io: Io): Promise<string[]> {
  const path = cachePath(kind, connection, io);
  const known = path === undefined ? undefined : parseNames(await readText(path));
  const now = io.now().getTime();
  if (known !== undefined && known.at <= now && now - known.at < FRESH_MS) return known.names;
  const look: Kind = kinds[kind];
  const found = await look.find(createClient({ ...connection, answerMs: ANSWER_MS }));
  const names = [...new Set(found.map(({ name }) => name))].filter((name) => name !== '').toSorted();
  if (path !== undefined) await keep(path, { at: now, names }).catch(() => {});
  return names;
}

interface Names {
  readonly at: number;
  readonly names: string[];
}

/** Returns the cache file of an address and key. Its path does not contain the key. */
function cachePath(
  kind: string,
  { url, basePath, apiKey, sessionToken = '' }: Connection,
  { env }: Io,
): string | undefined {
  const folder = env.XDG_CACHE_HOME || (env.HOME ? join(env.HOME, '.cache') : undefined);
  const whose = createHash('sha256')
    .update(JSON.stringify([url, basePath, apiKey ?? sessionToken]))
    .digest('hex')
    .slice(0, 24);
  return folder === undefined ? undefined : join(folder, 'sallyport', 'names', `${whose}-${kind}.json`);
}

async function keep(path: string, names: Names): Promise<void> {
  await makePrivateFolder(dirname(path));
  await writeSecret(path, JSON.stringify(names), { replace: true });
}

function parseNames(text: string | undefined): Names | undefined {
  try {
    const { at, names } = JSON.parse(text ?? '');
    const whole = typeof at === 'number' && Array.isArray(names) && names.every((name) => typeof name === 'string');
    return whole ? { at, names } : undefined;
  } catch {
    return undefined;
  }
}

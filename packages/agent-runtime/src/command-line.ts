import { parseArgs } from 'node:util';
import { withHint } from '@sallyport/contract/text';
import { UsageError } from './usage-error.ts';

export { UsageError } from './usage-error.ts';

/** Values of the options of a command line, by name. */
export type FlagValues = Readonly<Record<string, string | boolean | undefined>>;

/** Options of a command in the form of Node's `parseArgs`. */
export type FlagOptions = Readonly<Record<string, { readonly type: 'string' | 'boolean'; readonly short?: string }>>;

/** Parses the arguments after the name of a command. Throws UsageError that suggests a similar option. */
export function parseFlags(
  command: string,
  args: readonly string[],
  options: FlagOptions,
  allowPositionals = false,
): { readonly values: FlagValues; readonly positionals: readonly string[] } {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, strict: true, allowPositionals });
    return { values: values as FlagValues, positionals };
  } catch (error) {
    const said = (error as Error).message.split('. ')[0] ?? '';
    const names = Object.keys(options).map((name) => `--${name}`);
    throw new UsageError(withHint(`${command}: ${said}`, /'(--[^']*)'/.exec(said)?.[1] ?? '', names));
  }
}

/** Returns the text of an option, or null if it was not given. Throws UsageError for an empty text. */
export function textFlag(values: FlagValues, name: string): string | null {
  const value = values[name];
  if (value === undefined) return null;
  if (typeof value !== 'string' || value === '') throw new UsageError(`--${name}: the value is empty`);
  return value;
}

/** Returns the choice of an option, or null if it was not given. Throws UsageError for any other word. */
export function choiceFlag<T extends string>(values: FlagValues, name: string, choices: readonly T[]): T | null {
  const value = textFlag(values, name);
  if (value === null) return null;
  const choice = choices.find((candidate) => candidate === value);
  if (choice === undefined)
    throw new UsageError(`--${name}: ${JSON.stringify(value)} is not one of ${choices.join(', ')}`);
  return choice;
}

/** Returns the name of the tunnel interface (`--interface`), or null if it was not given. Throws UsageError. */
export function interfaceFlag(values: FlagValues): string | null {
  const name = textFlag(values, 'interface');
  if (name === null || /^[A-Za-z][A-Za-z0-9_.-]{0,14}$/.test(name)) return name;
  throw new UsageError(
    `--interface: ${JSON.stringify(name)} is no interface name (a letter, then up to 14 letters, digits, "_", ".", "-")`,
  );
}

/** Kinds of WireGuard that an operator can choose. */
export const wireguardChoices = ['auto', 'kernel', 'userspace'] as const;

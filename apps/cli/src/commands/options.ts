import { type Operation, type OperationName, operations } from '@sallyport/contract';
import { type Command, Option } from 'commander';
import { usage } from '../failure.ts';
import { didYouMean } from '../text.ts';

/** Gives a command the options that its write takes: trying it, and the entity tag that must still hold. */
export function writes(command: Command, ...names: OperationName[]): Command {
  const table: readonly Operation[] = names.map((name) => operations[name]);
  if (table.some(({ dryRun }) => dryRun === true))
    command.option('--dry-run', 'show what would change and who would gain or lose access; write nothing');
  if (table.some(({ method, params }) => method !== 'POST' && params !== undefined))
    command.option('--if-match <etag>', 'only when the object still has this entity tag (as `get` shows it)');
  return command;
}

/** Gives a command the options of a paged list. */
export function pages(command: Command): Command {
  return command
    .option('--limit <n>', 'one page of this size, instead of everything')
    .option('--offset <n>', 'skip this many first (with --limit)')
    .option('--sort <fields>', 'field, -field, field:asc or field:desc, joined by commas');
}

/** An option that takes one of some words, in any letter case. */
export function choice(flags: string, about: string, values: readonly string[]): Option {
  return new Option(flags, `${about}: ${values.join(', ')}`).argParser((text: string) => {
    const word = text.toUpperCase();
    if (!values.includes(word))
      throw usage(`${flags.split(' ')[0]} takes one of ${values.join(', ')}, not ${text}`, didYouMean(text, values));
    return word;
  });
}

/** An option that may be given several times. */
export function repeated(flags: string, about: string): Option {
  return new Option(flags, `${about} (may be repeated)`).argParser((text: string, before: string[] | undefined) => [
    ...(before ?? []),
    text,
  ]);
}

/** `on` or `off`. */
export function onOff(flags: string, about: string): Option {
  return new Option(flags, about).argParser((text: string) => {
    if (text !== 'on' && text !== 'off') throw usage(`${flags.split(' ')[0]} takes on or off, not ${text}`);
    return text === 'on';
  });
}

/** The object without its undefined fields. */
export function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

/** A text option of an update: left out keeps the value, empty text clears it. */
export function clearable(text: string | undefined): string | null | undefined {
  return text === '' ? null : text;
}

/** A whole number of an option, 0 or more. */
export function count(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[0-9]{1,9}$/.test(text)) throw usage(`${option} takes a whole number, not ${JSON.stringify(text)}`);
  return Number(text);
}

/** `--mtu`: bytes of a packet in the tunnel, or `default` (null). */
export function mtuOption(): Option {
  const about = 'bytes that a packet in the tunnel may have, 576 to 9000 (below 1280 without IPv6), or `default`';
  return new Option('--mtu <bytes>', about).argParser((text: string) =>
    text === 'default' ? null : count('--mtu', text),
  );
}

/** `before` with `KEY=VALUE` entries set and `KEY=` taken away; `read` makes the values. */
export function pairs<V>(
  option: string,
  texts: readonly string[],
  before: Readonly<Record<string, V>>,
  read: (text: string) => V,
): Record<string, V> {
  const all = { ...before };
  for (const text of texts) {
    const [, key, value] = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(text) ?? [];
    if (key === undefined || value === undefined)
      throw usage(`${option} takes KEY=VALUE, not ${JSON.stringify(text)}`, 'A key is letters, digits and _.');
    if (value === '') delete all[key];
    else all[key] = read(value);
  }
  return all;
}

/** `true` and `false`, numbers, else text. */
export function scalar(text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  return /^-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?$/.test(text) ? Number(text) : text;
}

/** `["a","b"]`, else a scalar. */
export function scalarOrList(text: string): string | number | boolean | string[] {
  if (!text.startsWith('[')) return scalar(text);
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((entry) => typeof entry === 'string') ? value : text;
  } catch {
    return text;
  }
}

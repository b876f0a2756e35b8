import { type DnsServer, type Operation, type OperationName, operations, readDnsServers } from '@sallyport/contract';
import { type Command, Option } from 'commander';
import { usage } from '../failure.ts';
import { didYouMean } from '../text.ts';

/** Adds the options of a write: the dry run, and the entity tag that must still match. */
export function writes(command: Command, ...names: OperationName[]): Command {
  const table: readonly Operation[] = names.map((name) => operations[name]);
  if (table.some(({ dryRun }) => dryRun === true))
    command.option('--dry-run', 'show the changes and who would gain or lose access; write nothing');
  if (table.some(({ versioned, dryRun }) => versioned === true || dryRun === true))
    command.option(
      '--if-match <etag>',
      'write only if the object (`get`) or the plan (`--dry-run`) still has this tag',
    );
  return command;
}

/** Adds the options of a paged list. */
export function pages(command: Command): Command {
  return command
    .option('--limit <n>', 'list one page of this size instead of everything')
    .option('--offset <n>', 'skip this many first (with --limit)')
    .option('--sort <fields>', 'field, -field, field:asc or field:desc, joined by commas')
    .option('--search <words>', 'only what shows every one of these words: name, addresses, id and the like')
    .addOption(filterOption());
}

/** Creates `--filter`, which a list takes any number of times. */
export function filterOption(): Option {
  return repeated(
    '--filter <filter>',
    'only matches of field[operator]=value, such as name[ilike]=%web%, status[ne]=ERROR or label=eu; all of them apply',
  );
}

/** Creates `--label`, which replaces the labels of an object. */
export function labelOption(): Option {
  return repeated('--label <label>', "label such as eu or site=berlin; '' alone: no labels");
}

/** Returns the labels of an option: undefined keeps them, one empty text clears them (null). */
export function labelsOf(texts: readonly string[] | undefined): string[] | null | undefined {
  if (texts === undefined) return undefined;
  return texts.length === 1 && texts[0] === '' ? null : [...texts];
}

/** Creates an option that takes one of several words, in any letter case. */
export function choice(flags: string, about: string, values: readonly string[]): Option {
  return new Option(flags, `${about}: ${values.join(', ')}`).argParser((text: string) => {
    const word = text.toUpperCase();
    if (!values.includes(word))
      throw usage(`${flags.split(' ')[0]} takes one of ${values.join(', ')}, not ${text}`, didYouMean(text, values));
    return word;
  });
}

/** Creates an option that can be repeated. */
export function repeated(flags: string, about: string): Option {
  return new Option(flags, `${about} (may be repeated)`).argParser((text: string, before: string[] | undefined) => [
    ...(before ?? []),
    text,
  ]);
}

/** Creates an option that takes `on` or `off`. */
export function onOff(flags: string, about: string): Option {
  return new Option(flags, about).argParser((text: string) => {
    if (text !== 'on' && text !== 'off') throw usage(`${flags.split(' ')[0]} takes on or off, not ${text}`);
    return text === 'on';
  });
}

/** Returns the object without its undefined fields. */
export function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

/** Returns the new value of a text option: undefined keeps the value, empty text clears it (null). */
export function clearable(text: string | undefined): string | null | undefined {
  return text === '' ? null : text;
}

/** Parses the whole number of an option, 0 or more. */
export function count(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[0-9]{1,9}$/.test(text)) throw usage(`${option} takes a whole number, not ${JSON.stringify(text)}`);
  return Number(text);
}

/** Parses `--mtu`: bytes of a packet in the tunnel, or `default` (null). */
export function mtuOption(): Option {
  const about = 'largest packet in the tunnel in bytes, 576 to 9000 (no IPv6 below 1280), or `default`';
  return new Option('--mtu <bytes>', about).argParser((text: string) =>
    text === 'default' ? null : count('--mtu', text),
  );
}

/** Creates `--dns-server`, which replaces the resolvers of a gateway. */
export function dnsServerOption(): Option {
  return repeated(
    '--dns-server <server>',
    "resolver of names: ADDRESS, ADDRESS:PORT or [IPV6]:PORT, then its domains, as in '10.0.0.53 corp.example'; '' alone: those of the host",
  );
}

/** Creates `--network`, which says in which private network a gateway stands. */
export const networkOption = (): Option =>
  new Option(
    '--network <label>',
    "private network in which it stands: gateways of one network have the same virtual addresses; '': no label",
  );

/** Returns the resolvers of an option: undefined keeps them, one empty text clears them (null). */
export function dnsServersOf(texts: readonly string[] | undefined): DnsServer[] | null | undefined {
  if (texts === undefined) return undefined;
  const servers = texts.flatMap(readDnsServers);
  return servers.length === 0 ? null : servers;
}

/** Returns `before` with `KEY=VALUE` entries set and `KEY=` entries removed; `read` parses the values. */
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

/** Parses `true`, `false` or a number; any other text stays text. */
export function scalar(text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  return /^-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?$/.test(text) ? Number(text) : text;
}

/** Parses a list such as `["a","b"]`, else a scalar. */
export function scalarOrList(text: string): string | number | boolean | string[] {
  if (!text.startsWith('[')) return scalar(text);
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((entry) => typeof entry === 'string') ? value : text;
  } catch {
    return text;
  }
}

import { resolve } from 'node:path';
import {
  choiceFlag,
  type FlagValues,
  interfaceFlag,
  parseFlags,
  textFlag,
  UsageError,
  wireguardChoices,
} from '@sallyport/agent-runtime/command-line';
import { withHint } from '@sallyport/contract/text';
import { commandNames, helpOf, isCommandName } from './help.ts';
import { type DnsChoice, dnsChoices } from './names/host-dns.ts';

/** Default state directory of the client. */
export interface Place {
  readonly stateDir: string;
}

/** Settings of a daemon. Null keeps the stored value, or uses the default. */
export interface Settings {
  /** As typed. */
  readonly controller: string | null;
  readonly insecure: boolean | null;
  /** Absolute path of certificates to trust in addition to those of the system. */
  readonly caFile: string | null;
  readonly interface: string | null;
  readonly wireguard: 'auto' | 'kernel' | 'userspace' | null;
  /** How names of resources resolve on this host. */
  readonly dns: DnsChoice | null;
}

/** Arguments with which a daemon starts. */
export interface RunSettings extends Place, Settings {
  /** A path, `-` for standard input, or null when not given. */
  readonly keyFile: string | null;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
}

/** The parsed `run` command. */
export interface RunCommand extends RunSettings {
  readonly kind: 'run';
}

/** The parsed `up` command. */
export interface UpCommand extends RunSettings {
  readonly kind: 'up';
  readonly foreground: boolean;
  readonly timeoutMs: number;
  readonly json: boolean;
}

/** A parsed command line. */
export type Command =
  | RunCommand
  | UpCommand
  | ({ readonly kind: 'down'; readonly forget: boolean; readonly json: boolean } & Place)
  | ({
      readonly kind: 'ping';
      readonly target: string;
      readonly count: number;
      readonly timeoutMs: number;
      readonly json: boolean;
    } & Place)
  | ({ readonly kind: 'dns'; readonly name: string; readonly json: boolean } & Place)
  | ({
      readonly kind: 'netcheck';
      readonly controller: string | null;
      readonly caFile: string | null;
      readonly json: boolean;
    } & Place)
  | { readonly kind: 'help'; readonly text: string }
  | { readonly kind: 'version' };

/** Same as `clientStateDir` of the contract, which takes too long to load for a fast command. */
export const defaultStateDir = '/var/lib/sallyport/client';
/** Default name of the tunnel interface. */
export const defaultInterface = 'sallyport1';

/**
 * Parses the command line (without program and script). `caFile` is the value of the environment; an argument overrides
 * it. Throws a UsageError with a sentence that names the argument.
 */
export function parseCommand(args: readonly string[], caFile: string | null = null): Command {
  const [name = 'help', ...rest] = args;
  if (name === '--version' || name === '-V') return { kind: 'version' };
  if (name === '--help' || name === '-h' || name === 'help') return { kind: 'help', text: helpOf(null) };
  if (!isCommandName(name))
    throw new UsageError(withHint(`unknown command ${JSON.stringify(name)}`, name, commandNames));
  const { values, positionals } = parseFlags(name, rest, options[name], name === 'ping' || name === 'dns');
  if (values.help === true) return { kind: 'help', text: helpOf(name) };
  const stateDir = textFlag(values, 'state-dir') ?? defaultStateDir;
  const json = values.json === true;
  switch (name) {
    case 'run':
      return { kind: 'run', stateDir, ...settings(values, caFile), ...start(values) };
    case 'up':
      return {
        kind: 'up',
        stateDir,
        json,
        ...settings(values, caFile),
        ...start(values),
        foreground: values.foreground === true,
        timeoutMs: seconds(values, 'timeout', 15, 3600),
      };
    case 'down':
      return { kind: 'down', stateDir, json, forget: values.forget === true };
    case 'netcheck':
      return {
        kind: 'netcheck',
        stateDir,
        json,
        controller: textFlag(values, 'controller'),
        caFile: fileOf(values, caFile),
      };
    case 'dns':
      return { kind: 'dns', stateDir, json, name: hostName(positionals) };
    case 'ping':
      return {
        kind: 'ping',
        stateDir,
        json,
        target: target(positionals),
        count: integer(values, 'count', 4, 1_000_000),
        timeoutMs: Math.min(seconds(values, 'timeout', 2, 10), 10_000),
      };
  }
}

const common = { 'state-dir': { type: 'string' }, help: { type: 'boolean', short: 'h' } } as const;
const json = { json: { type: 'boolean' } } as const;
const running = {
  controller: { type: 'string' },
  'ca-file': { type: 'string' },
  'enrolment-key-file': { type: 'string' },
  interface: { type: 'string' },
  wireguard: { type: 'string' },
  dns: { type: 'string' },
  insecure: { type: 'boolean' },
  'log-level': { type: 'string' },
} as const;
const options = {
  run: { ...common, ...running },
  up: {
    ...common,
    ...json,
    ...running,
    'enrolment-key-stdin': { type: 'boolean' },
    foreground: { type: 'boolean' },
    timeout: { type: 'string' },
  },
  down: { ...common, ...json, forget: { type: 'boolean' } },
  ping: { ...common, ...json, count: { type: 'string', short: 'c' }, timeout: { type: 'string', short: 'W' } },
  dns: { ...common, ...json },
  netcheck: { ...common, ...json, controller: { type: 'string' }, 'ca-file': { type: 'string' } },
} as const;

/** Absolute, for daemons stand elsewhere. */
function fileOf(values: FlagValues, fromEnvironment: string | null): string | null {
  const file = textFlag(values, 'ca-file') ?? fromEnvironment;
  return file === null ? null : resolve(file);
}

function settings(values: FlagValues, caFile: string | null): Settings {
  return {
    controller: textFlag(values, 'controller'),
    insecure: values.insecure === true ? true : null,
    caFile: fileOf(values, caFile),
    interface: interfaceFlag(values),
    wireguard: choiceFlag(values, 'wireguard', wireguardChoices),
    dns: choiceFlag(values, 'dns', dnsChoices),
  };
}

function start(values: FlagValues): Pick<RunSettings, 'keyFile' | 'logLevel'> {
  const file = textFlag(values, 'enrolment-key-file');
  const stdin = values['enrolment-key-stdin'] === true;
  if (stdin && file !== null && file !== '-') {
    throw new UsageError('give only one of --enrolment-key-file and --enrolment-key-stdin');
  }
  const logLevel = choiceFlag(values, 'log-level', ['debug', 'info', 'warn', 'error']) ?? 'info';
  return { keyFile: stdin ? '-' : file, logLevel };
}

function target(positionals: readonly string[]): string {
  const [first, ...more] = positionals;
  if (first === undefined || first === '') throw new UsageError('ping: name a resource, a gateway or an address');
  if (more.length > 0) throw new UsageError(`ping: give one target, not also ${more.join(' ')}`);
  return first;
}

function hostName([first = '', ...more]: readonly string[]): string {
  if (first === '') throw new UsageError('dns: name a host, such as wiki.corp.example');
  if (more.length > 0) throw new UsageError(`dns: give one name, not also ${more.join(' ')}`);
  if (first.length > 253) throw new UsageError('dns: the name is longer than 253 characters');
  return first;
}

function integer(values: FlagValues, name: string, otherwise: number, most: number): number {
  const value = textFlag(values, name);
  if (value === null) return otherwise;
  const number = Number(value);
  if (/^\d+$/.test(value) && number >= 1 && number <= most) return number;
  throw new UsageError(`--${name}: ${JSON.stringify(value)} is not a number from 1 to ${most}`);
}

/** In milliseconds. */
function seconds(values: FlagValues, name: string, otherwise: number, most: number): number {
  const value = textFlag(values, name);
  if (value === null) return otherwise * 1000;
  const number = Number(value);
  if (/^\d+(\.\d+)?$/.test(value) && number > 0 && number <= most) return Math.max(50, Math.round(number * 1000));
  throw new UsageError(`--${name}: ${JSON.stringify(value)} is not a number of seconds up to ${most}`);
}

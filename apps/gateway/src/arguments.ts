import { parseArgs } from 'node:util';
import { channelUrl, type LogLevel, logLevels, UsageError } from '@sallyport/agent-runtime';
import { withHint } from '@sallyport/contract/text';

export interface Place {
  readonly stateDir: string;
  readonly interface: string;
}

export interface RunCommand extends Place {
  readonly kind: 'run';
  /** WebSocket address of the channel. */
  readonly url: string;
  /** Certificates to trust besides those of the system, or null. */
  readonly caFile: string | null;
  /** Path, `-` for standard input, or null: not given. */
  readonly tokenFile: string | null;
  readonly wireguard: 'auto' | 'kernel' | 'userspace';
  /** Path of the wireguard-go to run, or null: the newest that is found. */
  readonly wireguardGo: string | null;
  readonly downOnExit: boolean;
  readonly logLevel: LogLevel;
}

export type Command =
  | RunCommand
  | ({ readonly kind: 'down' } & Place)
  | ({ readonly kind: 'status'; readonly json: boolean } & Place)
  | { readonly kind: 'help' }
  | { readonly kind: 'version' };

/** Reads the command line (without program and script). Throws UsageError with a sentence that names the argument. */
export function parseCommand(args: readonly string[]): Command {
  const [name = 'help', ...rest] = args;
  if (name === '--help' || name === '-h' || name === 'help') return { kind: 'help' };
  if (name === '--version' || name === '-V' || name === 'version') return { kind: 'version' };
  if (name !== 'run' && name !== 'down' && name !== 'status') {
    const message = `unknown command ${JSON.stringify(name)}: it is run, down or status`;
    throw new UsageError(withHint(message, name, ['run', 'down', 'status']));
  }
  const values = parseFlags(name, rest);
  if (values.help === true) return { kind: 'help' };
  const place = {
    stateDir: text(values, 'state-dir') ?? '/var/lib/sallyport/gateway',
    interface: interfaceName(values),
  };
  if (name === 'down') return { kind: 'down', ...place };
  if (name === 'status') return { kind: 'status', json: values.json === true, ...place };
  return { kind: 'run', ...place, ...runSettings(values) };
}

export const helpText = `Usage: sally gateway <command> [options]

  run      Run the gateway's agent: enrols at the first start, then keeps WireGuard and the
           firewall as the controller wants them. The data plane outlives the agent.
  down     Undo everything on this host: peers, interface, rules, routes, table, settings.
  status   Say how the gateway stands.

Options of all commands:
  --state-dir DIR        keys and last state (default /var/lib/sallyport/gateway)
  --interface NAME       tunnel interface (default sallyport0)

Options of run:
  --controller URL       address of the controller, https://…
  --token-file FILE      file with the gateway's token, - for standard input; needed until the
                         gateway is enrolled (or SALLYPORT_TOKEN, SALLYPORT_TOKEN_FILE)
  --wireguard KIND       auto (default), kernel or userspace
  --wireguard-go FILE    this build of wireguard-go, instead of the newest that is installed
                         (or SALLYPORT_WIREGUARD_GO)
  --ca-file FILE         trust the certificate authorities, or the controller's own certificate,
                         of this PEM file too (or SALLYPORT_CA_FILE)
  --insecure             speak to a controller on another host without TLS
  --down-on-exit         undo everything on SIGINT and SIGTERM
  --log-level LEVEL      debug, info (default), warn or error

Options of status:
  --json                 as JSON

Exit codes: 0 done, 1 failed, 2 wrong usage.
`;

const placeOptions = {
  'state-dir': { type: 'string' },
  interface: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;
const options = {
  run: {
    ...placeOptions,
    controller: { type: 'string' },
    'ca-file': { type: 'string' },
    'token-file': { type: 'string' },
    wireguard: { type: 'string' },
    'wireguard-go': { type: 'string' },
    insecure: { type: 'boolean' },
    'down-on-exit': { type: 'boolean' },
    'log-level': { type: 'string' },
  },
  down: placeOptions,
  status: { ...placeOptions, json: { type: 'boolean' } },
} as const;

type Values = Readonly<Record<string, string | boolean | undefined>>;

function parseFlags(command: keyof typeof options, args: readonly string[]): Values {
  try {
    return parseArgs({ args: [...args], options: options[command], strict: true, allowPositionals: false })
      .values as Values;
  } catch (error) {
    const said = (error as Error).message.split('. ')[0] ?? '';
    const names = Object.keys(options[command]).map((name) => `--${name}`);
    throw new UsageError(withHint(`${command}: ${said}`, /'(--[^']*)'/.exec(said)?.[1] ?? '', names));
  }
}

function runSettings(values: Values): Omit<RunCommand, 'kind' | keyof Place> {
  const controller = text(values, 'controller');
  if (controller === null) throw new UsageError('run: --controller URL is missing');
  return {
    url: channelUrl(controller, values.insecure === true),
    caFile: text(values, 'ca-file'),
    tokenFile: text(values, 'token-file'),
    wireguard: oneOf(values, 'wireguard', ['auto', 'kernel', 'userspace'], 'auto'),
    wireguardGo: text(values, 'wireguard-go'),
    downOnExit: values['down-on-exit'] === true,
    logLevel: oneOf(values, 'log-level', logLevels, 'info'),
  };
}

function interfaceName(values: Values): string {
  const name = text(values, 'interface') ?? 'sallyport0';
  if (!/^[A-Za-z][A-Za-z0-9_.-]{0,14}$/.test(name)) {
    throw new UsageError(
      `--interface: ${JSON.stringify(name)} is no interface name (a letter, then up to 14 letters, digits, "_", ".", "-")`,
    );
  }
  return name;
}

function text(values: Values, name: string): string | null {
  const value = values[name];
  if (value === undefined) return null;
  if (typeof value !== 'string' || value === '') throw new UsageError(`--${name}: the value is empty`);
  return value;
}

function oneOf<T extends string>(values: Values, name: string, choices: readonly T[], otherwise: T): T {
  const value = text(values, name);
  if (value === null) return otherwise;
  const choice = choices.find((candidate) => candidate === value);
  if (choice === undefined)
    throw new UsageError(`--${name}: ${JSON.stringify(value)} is not one of ${choices.join(', ')}`);
  return choice;
}

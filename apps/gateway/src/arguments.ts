import { channelUrl, type LogLevel, logLevels, UsageError } from '@sallyport/agent-runtime';
import {
  choiceFlag,
  type FlagValues,
  interfaceFlag,
  parseFlags,
  textFlag,
  wireguardChoices,
} from '@sallyport/agent-runtime/command-line';
import { withHint } from '@sallyport/contract/text';

/** Paths and names that all commands share. */
export interface Place {
  readonly stateDir: string;
  readonly interface: string;
}

/** The parsed `run` command. */
export interface RunCommand extends Place {
  readonly kind: 'run';
  /** WebSocket address of the channel. */
  readonly url: string;
  /** Certificates to trust in addition to those of the system, or null. */
  readonly caFile: string | null;
  /** A path, `-` for standard input, or null when not given. */
  readonly tokenFile: string | null;
  readonly wireguard: 'auto' | 'kernel' | 'userspace';
  /** Path of the wireguard-go to run, or null for that of the package, else the newest on the host. */
  readonly wireguardGo: string | null;
  readonly downOnExit: boolean;
  /** Whether the controller may ask this host to upgrade; null: the environment says it. */
  readonly allowUpgrades: boolean | null;
  /** File with the public keys that may sign releases, or null for the default. */
  readonly releaseKey: string | null;
  readonly logLevel: LogLevel;
}

/** A parsed command line. */
export type Command =
  | RunCommand
  | ({ readonly kind: 'down' } & Place)
  | ({ readonly kind: 'status'; readonly json: boolean } & Place)
  | { readonly kind: 'help' }
  | { readonly kind: 'version' };

/**
 * Parses the command line (without program and script). Throws a UsageError with a sentence that names the argument.
 */
export function parseCommand(args: readonly string[]): Command {
  const [name = 'help', ...rest] = args;
  if (name === '--help' || name === '-h' || name === 'help') return { kind: 'help' };
  if (name === '--version' || name === '-V' || name === 'version') return { kind: 'version' };
  if (name !== 'run' && name !== 'down' && name !== 'status') {
    const message = `unknown command ${JSON.stringify(name)}: it is run, down or status`;
    throw new UsageError(withHint(message, name, ['run', 'down', 'status']));
  }
  const { values } = parseFlags(name, rest, options[name]);
  if (values.help === true) return { kind: 'help' };
  const place = {
    stateDir: textFlag(values, 'state-dir') ?? '/var/lib/sallyport/gateway',
    interface: interfaceFlag(values) ?? 'sallyport0',
  };
  if (name === 'down') return { kind: 'down', ...place };
  if (name === 'status') return { kind: 'status', json: values.json === true, ...place };
  return { kind: 'run', ...place, ...runSettings(values) };
}

/** Text of `--help`. */
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
  --wireguard-go FILE    this build of wireguard-go; without it, that of the installed package,
                         else the newest on the host (or SALLYPORT_WIREGUARD_GO)
  --ca-file FILE         trust the certificate authorities, or the controller's own certificate,
                         of this PEM file too (or SALLYPORT_CA_FILE)
  --insecure             allow a controller on another host without TLS
  --allow-upgrades       let the controller ask this host to upgrade to a newer version that the
                         release key signed (or SALLYPORT_ALLOW_UPGRADES=true)
  --release-key FILE     public keys that may sign releases
                         (default /etc/sallyport/release-key.pem)
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
    'allow-upgrades': { type: 'boolean' },
    'release-key': { type: 'string' },
    'log-level': { type: 'string' },
  },
  down: placeOptions,
  status: { ...placeOptions, json: { type: 'boolean' } },
} as const;

function runSettings(values: FlagValues): Omit<RunCommand, 'kind' | keyof Place> {
  const controller = textFlag(values, 'controller');
  if (controller === null) throw new UsageError('run: --controller URL is missing');
  return {
    url: channelUrl(controller, values.insecure === true),
    caFile: textFlag(values, 'ca-file'),
    tokenFile: textFlag(values, 'token-file'),
    wireguard: choiceFlag(values, 'wireguard', wireguardChoices) ?? 'auto',
    wireguardGo: textFlag(values, 'wireguard-go'),
    downOnExit: values['down-on-exit'] === true,
    allowUpgrades: values['allow-upgrades'] === true ? true : null,
    releaseKey: textFlag(values, 'release-key'),
    logLevel: choiceFlag(values, 'log-level', logLevels) ?? 'info',
  };
}

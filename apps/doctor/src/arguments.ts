import { parseFlags, textFlag, UsageError } from '@sallyport/agent-runtime/command-line';

/** What the command line asks for. Null: found on the host. */
export interface Asked {
  readonly controller: string | null;
  readonly caFile: string | null;
  readonly dataDir: string | null;
  readonly gatewayDir: string | null;
  readonly clientDir: string | null;
  /** File for the support bundle; null: none is written. */
  readonly bundle: string | null;
  readonly json: boolean;
}

/** Text of `--help`. */
export const helpText = `Usage: sally doctor [options]

Checks everything that is known to go wrong on a controller, gateway or device, and says what to do. It finds out
itself what runs on this host. It changes nothing. Run it as root: some checks need that.

  --controller URL       address of the controller (default: the one of the gateway or device here)
  --ca-file FILE         trust the certificate in this PEM file too
  --data-dir DIR         data directory of a controller on this host
  --gateway-state DIR    state of a gateway (default /var/lib/sallyport/gateway)
  --client-state DIR     state of a device (default /var/lib/sallyport/client)
  --bundle FILE          also write a file for support: the findings and the network of this host, without keys,
                         tokens and other secrets. Read it before you send it
  --json                 as JSON

Exit codes: 0 no problem (there may be warnings), 1 a problem, 2 wrong usage.
`;

const options = {
  controller: { type: 'string' },
  'ca-file': { type: 'string' },
  'data-dir': { type: 'string' },
  'gateway-state': { type: 'string' },
  'client-state': { type: 'string' },
  bundle: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const;

/** Parses the command line (without program and script); `help` or `version` when that is asked for. Throws a UsageError. */
export function parseCommand(args: readonly string[]): Asked | 'help' | 'version' {
  const { values } = parseFlags('doctor', args, options);
  if (values.help === true) return 'help';
  if (values.version === true) return 'version';
  const controller = textFlag(values, 'controller');
  if (controller !== null && URL.parse(/:\/\//.test(controller) ? controller : `https://${controller}`) === null)
    throw new UsageError(`--controller: ${JSON.stringify(controller)} is not an address`);
  return {
    controller,
    caFile: textFlag(values, 'ca-file'),
    dataDir: textFlag(values, 'data-dir'),
    gatewayDir: textFlag(values, 'gateway-state'),
    clientDir: textFlag(values, 'client-state'),
    bundle: textFlag(values, 'bundle'),
    json: values.json === true,
  };
}

/** Names of the client's commands. */
export const commandNames = ['up', 'down', 'ping', 'dns', 'netcheck', 'run'] as const;
/** Name of a command. */
export type CommandName = (typeof commandNames)[number];

/** Returns whether a text is the name of a command. */
export function isCommandName(text: string): text is CommandName {
  return (commandNames as readonly string[]).includes(text);
}

/** Returns the help of a command; null lists the commands. */
export function helpOf(name: CommandName | null): string {
  return name === null ? overview : `${helps[name]}\n${place}\n${exitCodes}`;
}

const overview = `Usage: sally <command> [options], on a device

  up         Connect this device: enrols it the first time, then keeps its tunnel up.
  status     Show which gateway carries each resource, the path, and denials with reasons.
  ping       Ping a resource, a gateway or an address through the tunnel.
  dns        Explain how a host name resolves on this device.
  netcheck   Check what the network around this device lets through.
  down       Disconnect, and undo everything on this host.

Use --help after a command for details.
`;

const place = `  --state-dir DIR            keys and last state (default /var/lib/sallyport/client)
`;
const exitCodes = 'Exit codes: 0 done, 1 failed, 2 wrong usage.\n';

const running = `  --controller URL           address of the controller, https://…; needed the first time
  --enrolment-key-file FILE  file with an enrolment key (sdk_…), - for standard input; needed until
                             the device is enrolled (or SALLYPORT_ENROLMENT_KEY,
                             SALLYPORT_ENROLMENT_KEY_FILE)
  --interface NAME           tunnel interface (default sallyport1)
  --wireguard KIND           auto (default), kernel or userspace
                             (SALLYPORT_WIREGUARD_GO names the wireguard-go to run; without it, that of
                             the installed package is run, else the newest on the host)
  --dns WAY                  how names of resources resolve here: auto (default; what manages
                             /etc/resolv.conf), resolved, networkmanager, resolv.conf, or off
  --ca-file FILE             trust the certificate authorities, or the controller's own certificate,
                             of this PEM file too (or SALLYPORT_CA_FILE)
  --insecure                 allow a controller on another host without TLS
  --log-level LEVEL          debug, info (default), warn or error`;

const helps: Readonly<Record<CommandName, string>> = {
  up: `Usage: sally up [options]

Connects this device, and returns when every allowed destination is reachable. The keys are created here
and stay here. Options are stored: after the first time, sally up is enough.

${running}
  --enrolment-key-stdin      read the enrolment key from standard input
  --foreground               stay, and log to standard error, instead of leaving a daemon
  --timeout SECONDS          how long to wait (default 15); the daemon keeps trying
  --json                     print the status as JSON`,
  run: `Usage: sally client run [options]

Runs the daemon itself, as sally up and the systemd unit do. The tunnel outlives it.

${running}`,
  down: `Usage: sally down [options]

Ends the daemon and removes tunnel, routes, rules and settings.

  --forget                   remove the identity as well; the next start needs another enrolment key
  --json                     print the undone items as JSON`,
  ping: `Usage: sally ping NAME|ADDRESS[:PORT] [options]

Probes the gateway that carries a target, and the target itself: by TCP if a port is given, else by
ICMP and on the TCP ports 443, 80 and 22. UDP is not probed.

  -c, --count N              number of pings (default 4)
  -W, --timeout SECONDS      how long to wait for each answer (default 2)
  --json                     print one line of JSON for each ping`,
  dns: `Usage: sally dns NAME [options]

Explains how a host name resolves on this device: the resource and its virtual addresses, what the
gateway answers, what programs on this host get, and how long both took. For other names it asks the
resolvers of this host. The exit code is 1 when something keeps the name from resolving.

  --json                     print the explanation as JSON`,
  netcheck: `Usage: sally netcheck [options]

  --controller URL           controller to ask when no daemon runs
  --ca-file FILE             certificates to trust for it (or SALLYPORT_CA_FILE)
  --json                     print the result as JSON`,
};

import { ok, problem, skipped, warning } from '../findings.ts';
import type { Check, Finding, Place, Probe } from '../types.ts';

/** Checks of what runs here. */
export const agentChecks: readonly Check[] = [
  { id: 'gateway', title: 'Gateway', roles: ['gateway'], run: gateway },
  { id: 'device', title: 'Device', roles: ['device'], run: device },
  { id: 'ports', title: 'Ports', roles: ['controller'], run: ports },
];

async function gateway(probe: Probe, { gatewayDir }: Place): Promise<readonly Finding[]> {
  if (!probe.isRoot) return [skipped('needs root: sudo sally doctor')];
  const status = await probe.gatewayStatus(gatewayDir);
  const findings: Finding[] = [];
  if ((await probe.agent(gatewayDir)) === null)
    findings.push(
      problem(
        'The agent does not run. What it applied goes on until the lease ends.',
        'systemctl start sallyport-gateway, or: sally gateway run',
      ),
    );
  else if (status?.phase === 'live') findings.push(ok('the agent is connected'));
  else
    findings.push(
      problem(
        `The agent is not connected (${status?.phase ?? 'it has just started'}).`,
        'Mend what the other checks say. Then look into its log: journalctl -u sallyport-gateway',
      ),
    );
  if (status === null) return findings;
  if (status.failure !== null)
    findings.push(problem(`${status.failure.message} (${status.failure.code})`, 'See docs/errors.md.'));
  if (status.applied === null)
    findings.push(
      problem(
        'The host holds no state of the controller.',
        'See the log of the agent: journalctl -u sallyport-gateway',
      ),
    );
  if (status.leaseUntil !== null && Date.parse(status.leaseUntil) < probe.now())
    findings.push(
      problem(
        `The lease ended at ${status.leaseUntil}, so nothing is forwarded.`,
        'Let the gateway reach the controller again.',
      ),
    );
  findings.push(
    ...status.notes.map((note) => warning(note, 'Free space, and check the permissions of the state directory.')),
  );
  return findings;
}

async function device(probe: Probe, { clientDir }: Place): Promise<readonly Finding[]> {
  if (!probe.isRoot) return [skipped('needs root: sudo sally doctor')];
  if ((await probe.agent(clientDir)) === null)
    return [warning('The daemon of this device does not run.', 'Connect the device: sudo sally up')];
  const advice = await probe.netcheck();
  if (advice === null)
    return [
      problem(
        'The daemon of this device runs and does not answer.',
        'Restart it: systemctl restart sallyport-client, or: sally down; sally up',
      ),
    ];
  if (advice.length === 0) return [ok('controller, beacons, gateways and relays can be reached')];
  return advice.map((line) => warning(line, 'See: sally netcheck'));
}

/** Ports of the beacon. */
const beacon = [51_818, 51_819];

async function ports(probe: Probe, { dataDir }: Place): Promise<Finding> {
  const tables = await Promise.all(['/proc/net/udp', '/proc/net/udp6'].map((path) => probe.text(path)));
  const open = new Set(tables.flatMap((text) => udpPorts(text ?? '')));
  const runs = (await probe.stats(`${dataDir}/operator.sock`)) !== null;
  const missing = beacon.filter((port) => !open.has(port));
  if (!runs) return skipped(`no controller runs with ${dataDir}`);
  if (missing.length === 0) return ok(`UDP ${beacon.join(' and ')} are open on this host`);
  return warning(
    `The beacon does not listen on UDP ${missing.join(' and ')}, so devices behind NATs get no direct connections.`,
    'Unless you moved it (SALLYPORT_BEACON_LISTEN), see the log of the controller: another program may use the port.',
  );
}

/** Reads the bound ports from the kernel's table. */
const udpPorts = (table: string): number[] =>
  [...table.matchAll(/^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) /gm)].map(([, port = '0']) => Number.parseInt(port, 16));

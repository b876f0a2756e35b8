import { ok, problem, skipped, warning } from '../findings.ts';
import type { Check, Finding, Place, Probe } from '../types.ts';

/** Checks of what runs here. */
export const agentChecks: readonly Check[] = [
  { id: 'gateway', title: 'Gateway', roles: ['gateway'], run: gateway },
  { id: 'device', title: 'Device', roles: ['device'], run: device },
  { id: 'reach', title: 'Reachability by UDP', roles: ['gateway'], run: reach },
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

/** What the controller's beacon and this gateway have heard of each other over UDP. */
async function reach(probe: Probe, { gatewayDir }: Place): Promise<Finding> {
  if (!probe.isRoot) return skipped('needs root: sudo sally doctor');
  const status = await probe.gatewayStatus(gatewayDir);
  if (status?.phase !== 'live') return skipped('the gateway is not connected');
  const { kind, endpoint } = status.nat ?? { kind: 'unknown', endpoint: null };
  switch (kind) {
    case 'none':
    case 'independent':
      return ok(`UDP from this gateway reaches the beacon, which sees it at ${endpoint ?? 'an address'}`);
    case 'blocked':
      return problem(
        'No UDP packet of this gateway reaches the beacon of the controller.',
        'Let UDP from the WireGuard port of this gateway to ports 51818 and 51819 of the controller pass, and answers.',
      );
    case 'dependent':
      return warning(
        'The NAT in front of this gateway uses another port for each destination, so devices elsewhere reach it through relays only.',
        'Forward its WireGuard port (UDP) to this host, and set that address as its endpoint.',
      );
    case 'unknown':
      return skipped('the beacon has not seen this gateway yet, or the controller has no beacon');
  }
}

import type { TestConfiguration } from '@sallyport/contract';
import type { ProbeResult } from '@sallyport/contract/channel';
import type { Channel } from '../../channel/types.ts';
import { shownError, shownStatus } from './status.ts';
import type { AttachedResource, GatewayRow } from './store.ts';

/** How long the agent may take to probe everything, milliseconds. */
const probeTimeoutMs = 10_000;

/** Checks the agent, what it has applied, and its resources as seen from where it stands. Says what was not probed. */
export async function testConfiguration(
  channel: Pick<Channel, 'presence' | 'probe'>,
  row: GatewayRow,
  resources: readonly AttachedResource[],
): Promise<TestConfiguration> {
  const before = channel.presence(row.id);
  if (!before.connected)
    return { status: 'NOT_REACHABLE', details: notConnected(row), error: 'No agent is connected.' };
  const probes = await channel.probe(row.id, probeTimeoutMs);
  const presence = channel.presence(row.id);
  const error = shownError(row, presence);
  if (error !== null) return { status: 'ERROR', details: sentences(probes, resources, presence.converged), error };
  if (probes === null)
    return {
      status: 'ERROR',
      details: notProbed,
      error: `The agent did not answer within ${probeTimeoutMs / 1000} seconds.`,
    };
  const shown = shownStatus(row, presence);
  return {
    status:
      shown === 'ONLINE' || shown === 'MAINTENANCE' ? shown : shown === 'OFFLINE' ? 'NOT_REACHABLE' : 'UNRECOGNIZED',
    details: sentences(probes, resources, presence.converged),
    ...unreachable(probes, resources),
  };
}

const notProbed = 'Not probed: the WireGuard port from outside.';

function notConnected(row: GatewayRow): string {
  const first =
    row.deployed_on === null ? 'It has never been deployed.' : 'Its last state stays in force until its lease ends.';
  return `Agent: not connected. ${first} Not probed: resources, and the WireGuard port from outside.`;
}

function sentences(
  probes: readonly ProbeResult[] | null,
  resources: readonly AttachedResource[],
  converged: boolean,
): string {
  const applied = converged ? 'the desired state is applied' : 'the desired state is not applied yet';
  return [`Agent: connected, ${applied}.`, resourceSentence(probes, resources), notProbed].join(' ');
}

function resourceSentence(probes: readonly ProbeResult[] | null, resources: readonly AttachedResource[]): string {
  if (probes === null) return 'Resources: not probed.';
  if (resources.length === 0) return 'Resources: none attached.';
  const found = probes.map(
    (probe) => `${nameOf(resources, probe)} ${probe.reachable ? 'reachable' : 'not reachable'} (${probe.detail})`,
  );
  return found.length === 0 ? 'Resources: nothing in them can be probed.' : `Resources: ${found.join('; ')}.`;
}

function unreachable(probes: readonly ProbeResult[], resources: readonly AttachedResource[]): { error?: string } {
  const names = new Set(probes.filter((probe) => !probe.reachable).map((probe) => nameOf(resources, probe)));
  return names.size === 0 ? {} : { error: `Not reachable from the gateway: ${[...names].join(', ')}.` };
}

const nameOf = (resources: readonly AttachedResource[], probe: ProbeResult): string =>
  resources.find(({ id }) => id === probe.resource)?.name ?? probe.resource;

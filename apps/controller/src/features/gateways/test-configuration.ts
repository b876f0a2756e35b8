import type { TestConfiguration } from '@sallyport/contract';
import type { ProbeResult } from '@sallyport/contract/channel';
import type { Channel, Presence } from '../../channel/types.ts';
import { shownError, shownStatus } from '../../objects/gateways/status.ts';
import type { AttachedResource, GatewayRow } from '../../objects/gateways/store.ts';
import { type Finding, found, wrong } from './findings.ts';
import { knockFromOutside, type Outside } from './outside.ts';

/** A gateway under test. */
export interface Tested {
  readonly row: GatewayRow;
  readonly resources: readonly AttachedResource[];
  /** Host names of these resources, by the ids of their probes. */
  readonly names: ReadonlyMap<string, string>;
  /** Largest packet inside of the tunnel. */
  readonly mtu: number;
}

/** How long the agent may take to probe everything, milliseconds. */
const probeTimeoutMs = 10_000;

/** Tests gateways, each once at a time. Requests during a running test get its answer. */
export class ConfigurationTests {
  readonly #channel: Pick<Channel, 'presence' | 'probe'>;
  readonly #outside: Outside;
  readonly #running = new Map<string, Promise<TestConfiguration>>();

  constructor(channel: Pick<Channel, 'presence' | 'probe'>, outside: Outside) {
    this.#channel = channel;
    this.#outside = outside;
  }

  /**
   * Whether the endpoint resolves and WireGuard answers there, the agent is connected and has applied the desired state,
   * resources can be reached from where it stands, and full packets fit. Says what failed, what to do, and what was not probed.
   */
  run(gateway: Tested): Promise<TestConfiguration> {
    const { id } = gateway.row;
    const running = this.#running.get(id) ?? this.#test(gateway).finally(() => this.#running.delete(id));
    this.#running.set(id, running);
    return running;
  }

  async #test({ row, resources, names, mtu }: Tested): Promise<TestConfiguration> {
    const before = this.#channel.presence(row.id);
    const [outside, probes] = await Promise.all([
      knockFromOutside(this.#outside, row, mtu),
      before.connected ? this.#channel.probe(row.id, probeTimeoutMs) : null,
    ]);
    const presence = this.#channel.presence(row.id);
    const inside = before.connected
      ? [agentFinding(row, presence, probes), resourceFinding(probes, resources, names)]
      : [away(row), found('Resources: not probed.')];
    return answer(statusOf(row, before, presence, probes), [...inside, ...outside, notProbed]);
  }
}

/** `error` holds the failures only, without remarks. */
function answer(status: TestConfiguration['status'], findings: readonly Finding[]): TestConfiguration {
  const errors = findings.flatMap(({ error }) => error ?? []);
  const details = findings.map(({ sentence }) => sentence).join(' ');
  return { status, details, ...(errors.length === 0 ? {} : { error: errors.join(' ') }) };
}

function statusOf(
  row: GatewayRow,
  before: Presence,
  presence: Presence,
  probes: readonly ProbeResult[] | null,
): TestConfiguration['status'] {
  if (!before.connected) return 'NOT_REACHABLE';
  if (shownError(row, presence) !== null || probes === null) return 'ERROR';
  const shown = shownStatus(row, presence);
  if (shown === 'ONLINE' || shown === 'MAINTENANCE') return shown;
  return shown === 'OFFLINE' ? 'NOT_REACHABLE' : 'UNRECOGNIZED';
}

const notProbed = found('Not probed: other networks than those of the controller and the gateway.');

const away = ({ deployed_on }: GatewayRow): Finding =>
  wrong(
    deployed_on === null
      ? 'Agent: not connected. It has never been deployed.'
      : 'Agent: not connected. Its last state stays in force until its lease ends.',
    deployed_on === null
      ? 'No agent is connected: run the gateway with its token.'
      : 'No agent is connected: see whether it runs on the gateway, and reaches the controller.',
  );

function agentFinding(row: GatewayRow, presence: Presence, probes: readonly ProbeResult[] | null): Finding {
  const { converged } = presence;
  const sentence = `Agent: connected, ${converged ? 'the desired state is applied' : 'the desired state is not applied yet'}.`;
  const failure = shownError(row, presence);
  if (failure !== null) return wrong(sentence, failure);
  if (probes === null) return wrong(sentence, `The agent did not answer within ${probeTimeoutMs / 1000} seconds.`);
  return converged ? found(sentence) : wrong(sentence, 'The desired state is not applied yet: test again in a moment.');
}

function resourceFinding(
  probes: readonly ProbeResult[] | null,
  resources: readonly AttachedResource[],
  names: Tested['names'],
): Finding {
  if (probes === null) return found('Resources: not probed.');
  if (resources.length === 0) return found('Resources: none attached.');
  const nameOf = ({ resource }: ProbeResult) => resources.find(({ id }) => id === resource)?.name ?? resource;
  const outcomes = probes.map((probe) => `${nameOf(probe)} ${outcomeOf(probe, names)} (${probe.detail})`);
  const silent = resources.filter(({ id }) => !probes.some(({ resource }) => resource === id)).map(({ name }) => name);
  if (silent.length > 0) outcomes.push(`nothing in ${silent.join(', ')} can be probed`);
  const sentence = `Resources: ${outcomes.join('; ')}.`;
  const failed = probes.filter(({ reachable }) => !reachable);
  const lost = new Set(failed.filter(({ id }) => !names.has(id)).map(nameOf));
  const unresolved = new Set(failed.flatMap(({ id }) => names.get(id) ?? []));
  const errors = [
    lost.size > 0 &&
      `Not reachable from the gateway: ${[...lost].join(', ')}. Check that they are up, and that routes and firewalls let the gateway in.`,
    unresolved.size > 0 &&
      `Names that lead nowhere from the gateway: ${[...unresolved].join(', ')}. Check that its resolvers know them: those of its host, or those that the gateway is set to ask (dnsServers).`,
  ].filter((text) => text !== false);
  return errors.length === 0 ? found(sentence) : wrong(sentence, errors.join(' '));
}

/** A name is resolved, and what it leads to is not probed. */
function outcomeOf({ id, reachable }: ProbeResult, names: Tested['names']): string {
  if (names.has(id)) return reachable ? 'has a name that resolves' : 'has a name that leads nowhere';
  return reachable ? 'reachable' : 'not reachable';
}

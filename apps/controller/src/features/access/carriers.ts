import type { ExplainedGateway, Gateway } from '@sallyport/contract';
import type { StateItem } from '@sallyport/contract/channel';
import { type AccessQuery, evaluate, type GatewayChoice, type World } from '@sallyport/policy';
import type { Channel, DesiredStates } from '../../channel/types.ts';
import { admittedBy } from './applied.ts';

/** What is in force on each gateway: the items that its agent has confirmed; null when that is unknown. */
export type InForce = ReadonlyMap<string, readonly StateItem[] | null>;

/**
 * Reads what is in force on gateways. It is known only while the agent is connected and has confirmed exactly the desired
 * state.
 */
export async function inForce(
  gateways: Iterable<string>,
  channel: Pick<Channel, 'presence'>,
  states: Pick<DesiredStates, 'current'>,
): Promise<InForce> {
  const found = new Map<string, readonly StateItem[] | null>();
  for (const gateway of gateways) {
    const { connected, applied } = channel.presence(gateway);
    const desired = connected && applied !== null ? await states.current(gateway) : null;
    found.set(gateway, desired !== null && desired.hash === applied?.hash ? desired.items() : null);
  }
  return found;
}

/**
 * Returns the gateways of an explanation. `choices` are in order of priority. Of those that carry the destination, the
 * first online one is chosen; without one, the first.
 */
export function explainedGateways(
  choices: readonly GatewayChoice[],
  carriers: readonly string[],
  gateways: ReadonlyMap<string, Gateway>,
  channel: Pick<Channel, 'presence'>,
  applied: (gateway: string) => ExplainedGateway['applied'],
): ExplainedGateway[] {
  const online = (id: string) => {
    const status = gateways.get(id)?.status;
    return status === 'ONLINE' || (status === 'MAINTENANCE' && channel.presence(id).alive);
  };
  const chosen = carriers.find(online) ?? carriers[0];
  return choices.flatMap(({ gateway: id, reason }) => {
    const gateway = gateways.get(id);
    if (gateway === undefined) return [];
    const { name, status } = gateway;
    const why = carriers.includes(id) ? choiceReason(id, chosen, carriers, gateway, online) : reason;
    return [{ id, name, status, chosen: id === chosen, reason: why, applied: applied(id) }];
  });
}

function choiceReason(
  id: string,
  chosen: string | undefined,
  carriers: readonly string[],
  { status }: Gateway,
  online: (id: string) => boolean,
): string {
  const drained = status === 'MAINTENANCE' ? ', though in MAINTENANCE' : '';
  if (id !== chosen) return online(id) ? `a gateway before it in order is online${drained}` : `it is ${status}`;
  if (!online(id)) return `it is the first in order, and ${status}: none of them is online`;
  return id === carriers[0]
    ? `it is the first in order, and online${drained}`
    : `it is the first in order that is online${drained}`;
}

/** Returns whether the state in force on a gateway agrees with the decision about the packet at `now`. */
export function agreement(
  world: World,
  query: AccessQuery & { device: string },
  gateway: string,
  items: readonly StateItem[] | null,
  now: number,
): ExplainedGateway['applied'] {
  if (items === null) return 'unknown';
  const decided = evaluate(world, { ...query, gateway });
  const admits = admittedBy(items, query, now) !== null;
  return admits === decided.allowed ? 'agrees' : 'differs';
}

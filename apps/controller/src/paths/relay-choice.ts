import { hash } from 'node:crypto';
import type { World, WorldGateway } from '@sallyport/policy';
import type { Channel } from '../channel/types.ts';

/** Two agents that need a relay between them: ids of a device and a gateway, or of two gateways. */
export interface Pair {
  readonly a: string;
  readonly b: string;
}

/** A possible relay with its round-trip time. */
export interface RatedRelay {
  readonly gateway: WorldGateway;
  /** Sum of the round-trip times of both ends, milliseconds. */
  readonly rttMs: number;
  /** Whether both ends have measured the time. */
  readonly measured: boolean;
}

/**
 * Returns gateways that can relay for the pair now, best first: by the sum of round-trip times. Equal ones come in a
 * different order for each pair, so that pairs without measurements do not all use one relay.
 */
export function rankRelays(world: World, channel: Pick<Channel, 'presence' | 'relayTimes'>, pair: Pair): RatedRelay[] {
  const times = [channel.relayTimes(pair.a), channel.relayTimes(pair.b)];
  return [...world.gateways.values()]
    .filter((gateway) => mayRelay(gateway, pair) && channel.presence(gateway.id).connected)
    .map((gateway) => {
      const known = times.map((ofEnd) => ofEnd.get(gateway.id));
      const rttMs = known.reduce<number>((sum, rtt) => sum + (rtt ?? unknownRttMs), 0);
      return { gateway, rttMs, measured: known.every((rtt) => rtt !== undefined) };
    })
    .toSorted((x, y) => x.rttMs - y.rttMs || (weight(pair, x) < weight(pair, y) ? -1 : 1));
}

/** Returns whether the gateway may relay and is not one of the ends. */
export function mayRelay(gateway: WorldGateway, { a, b }: Pair): boolean {
  const { id, relayEnabled, intent, publicKey, endpoints } = gateway;
  return relayEnabled && intent === 'ACTIVE' && publicKey !== null && endpoints.length > 0 && id !== a && id !== b;
}

/** Stands for a time without a measurement. */
const unknownRttMs = 1000;

const weight = ({ a, b }: Pair, { gateway }: RatedRelay): string => hash('sha256', `${a} ${b} ${gateway.id}`);

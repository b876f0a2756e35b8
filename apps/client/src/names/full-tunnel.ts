import { randomInt } from 'node:crypto';
import type { PathsView } from '@sallyport/agent-core';
import type { StateItem } from '@sallyport/contract/channel';
import { forward } from './forward.ts';

type Items = ReadonlyMap<string, StateItem>;

/** Returns the ids of the gateways that carry the internet of a full tunnel now. */
export function internetCarriers({ routes }: PathsView): string[] {
  return [...new Set(routes.filter(({ resources }) => resources.length === 0).flatMap(({ carrier }) => carrier ?? []))];
}

/** Returns whether a device has a full tunnel, and its gateways answer for all names. */
export function sendsAllNames(items: Items): boolean {
  const client = items.get('client');
  return client?.kind === 'client' && client.forwarding === true && items.values().some(carriesInternet);
}

const carriesInternet = (item: StateItem): boolean =>
  item.kind === 'route' && item.resources.length === 0 && item.gateways.length > 0;

/**
 * Returns whether one of these resolvers answers for names of no resource. An older gateway is silent or refuses. The
 * name of this question exists nowhere, so no other resolver hears of it.
 */
export async function forwardsNames(servers: readonly string[]): Promise<boolean> {
  const answer = await forward(question('localhost'), 'udp', servers);
  return answer !== null && answer.length >= 12 && (answer.readUInt8(3) & 0x0f) === nameError;
}

const nameError = 3;
const recursionDesired = 0x0100;
const internetAddress = [0, 1, 0, 1];

function question(name: string): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(randomInt(0x10000), 0);
  header.writeUInt16BE(recursionDesired, 2);
  header.writeUInt16BE(1, 4);
  const labels = name.split('.').flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)]);
  return Buffer.concat([header, ...labels, Buffer.from([0, ...internetAddress])]);
}

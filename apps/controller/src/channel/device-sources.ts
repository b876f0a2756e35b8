import { parseEndpoint } from '@sallyport/contract';
import { canonicalUnmapped } from '@sallyport/ip';
import { believedSource } from './source-agreement.ts';

/** What a gateway says of where a device's tunnel comes from. */
export interface SourceReport {
  readonly device: string;
  readonly gateway: string;
  /** Host and port of the tunnel's other end. */
  readonly endpoint: string;
  /** Last handshake, epoch milliseconds by the controller's clock. */
  readonly handshake: number;
}

/** Where the channel of a native device comes from; null: it is not connected. Undefined: the device is a plain one. */
export type ChannelSource = string | null | undefined;

interface Source {
  readonly ip: string;
  readonly gateway: string;
  readonly handshake: number;
  /** It has had a channel, so without one it does not count as a plain device. */
  readonly native: boolean;
}

/** Times of one handshake differ by less when the clocks of gateway and controller are compared anew. WireGuard makes 5 s of it. */
const newerByMs = 2_000;

/** A session of WireGuard is over three minutes after its handshake. */
const sessionMs = 180_000;

/**
 * Source addresses of devices. Gateways see a device from different sides, one inside of its network and one outside, and
 * both are right. So that the address does not jump between them, it is the one that the first gateway tells, as long as
 * the device's session with that gateway lasts.
 *
 * Anybody on the way can move the endpoint of a session by sending its packets on from elsewhere. So an address counts only
 * with a newer handshake, and for a native device that of its channel, when the two do not contradict each other.
 */
export class DeviceSources {
  readonly #sources = new Map<string, Source>();
  readonly #limit: number;

  /** `limit`: devices that are remembered at most; the one longest unheard of is forgotten first. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Takes a report in. Returns the device's address when it is another one than before, else null. */
  seen({ device, gateway, endpoint, handshake }: SourceReport, channel?: ChannelSource): string | null {
    const seen = sourceOf(endpoint);
    if (seen === null) return null;
    const before = this.#sources.get(device);
    const from = channel === undefined && before?.native ? null : channel;
    const ip = from === undefined ? seen : believedSource(seen, from);
    if (ip === null) return null;
    const moved = before?.ip !== ip;
    if (moved && before?.gateway === gateway && handshake < before.handshake + newerByMs) return null;
    if (before !== undefined && before.gateway !== gateway && handshake <= before.handshake + sessionMs) return null;
    this.#sources.delete(device);
    this.#sources.set(device, { ip, gateway, handshake, native: from !== undefined });
    const oldest = this.#sources.keys().next();
    if (this.#sources.size > this.#limit && !oldest.done) this.#sources.delete(oldest.value);
    return moved ? ip : null;
  }
}

/** Address in canonical form, IPv4 as IPv4; null for what is none, such as one with a zone. */
function sourceOf(endpoint: string): string | null {
  return canonicalUnmapped(parseEndpoint(endpoint)?.host ?? '');
}

import { parseEndpoint } from '@sallyport/contract';
import { canonicalUnmapped } from '@sallyport/ip';
import { believedSource } from './source-agreement.ts';

/** Report of a gateway about the source of a device's tunnel. */
export interface SourceReport {
  readonly device: string;
  readonly gateway: string;
  /** Host and port of the tunnel's other end. */
  readonly endpoint: string;
  /** Last handshake, epoch milliseconds by the controller's clock. */
  readonly handshake: number;
}

/** Source address of a native device's channel; null: it is not connected. Undefined: the device is a plain one. */
export type ChannelSource = string | null | undefined;

interface Source {
  readonly ip: string;
  readonly gateway: string;
  readonly handshake: number;
  /** The device has had a channel. Without one it does not count as a plain device. */
  readonly native: boolean;
}

/**
 * Two reports of one handshake differ by less than this, because clocks are compared again for each report. WireGuard
 * allows one handshake in 5 s.
 */
const newerByMs = 2_000;

/** WireGuard ends a session three minutes after its handshake. */
const sessionMs = 180_000;

/**
 * Source addresses of devices. Gateways may see a device from different sides, for example inside and outside of its
 * network, and both are right. To keep the address stable, the first gateway that reports it decides while the device's
 * session with it lasts.
 *
 * Anybody on the way can move the endpoint of a session by sending its packets on from elsewhere. So an address counts only
 * with a newer handshake, and for a native device that of its channel, when the two do not contradict each other.
 */
export class DeviceSources {
  readonly #sources = new Map<string, Source>();
  readonly #limit: number;

  /** `limit`: number of devices remembered. The device without reports for the longest time is forgotten first. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Records a report. Returns the device's address when it changed, else null. */
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

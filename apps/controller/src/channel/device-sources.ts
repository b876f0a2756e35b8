import { formatAddress, parseAddress, parseEndpoint } from '@sallyport/contract';

/** What a gateway says of where a device's tunnel comes from. */
export interface SourceReport {
  readonly device: string;
  readonly gateway: string;
  /** Host and port of the tunnel's other end. */
  readonly endpoint: string;
  /** Last handshake, epoch milliseconds by the controller's clock. */
  readonly handshake: number;
}

interface Source {
  readonly ip: string;
  readonly gateway: string;
  readonly handshake: number;
}

/** A session of WireGuard is over three minutes after its handshake. */
const sessionMs = 180_000;

/**
 * Source addresses of devices. Gateways see a device from different sides, one inside of its network and one outside, and
 * both are right. So that the address does not jump between them, it is the one that the first gateway tells, as long as
 * the device's session with that gateway lasts.
 */
export class DeviceSources {
  readonly #sources = new Map<string, Source>();
  readonly #limit: number;

  /** `limit`: devices that are remembered at most; the one longest unheard of is forgotten first. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Takes a report in. Returns the device's address when it is another one than before, else null. */
  seen({ device, gateway, endpoint, handshake }: SourceReport): string | null {
    const ip = sourceOf(endpoint);
    if (ip === null) return null;
    const before = this.#sources.get(device);
    if (before !== undefined && before.gateway !== gateway && handshake <= before.handshake + sessionMs) return null;
    this.#sources.delete(device);
    this.#sources.set(device, { ip, gateway, handshake });
    const oldest = this.#sources.keys().next();
    if (this.#sources.size > this.#limit && !oldest.done) this.#sources.delete(oldest.value);
    return before?.ip === ip ? null : ip;
  }
}

/** Address in canonical form; null for what is none, such as one with a zone. */
function sourceOf(endpoint: string): string | null {
  const host = parseEndpoint(endpoint)?.host.replace(/^::ffff:(?=[0-9.]+$)/i, '') ?? '';
  const address = parseAddress(host);
  return address === null ? null : formatAddress(address.family, address.value);
}

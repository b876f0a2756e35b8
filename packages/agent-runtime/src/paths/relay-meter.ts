import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';

/** First bytes of a round-trip probe, before eight random bytes. Relay points echo probes of at most 48 bytes. */
export const relayProbeMagic = Buffer.from('SPRTT\0v1');

/** Measures round-trip times to relay points. */
export class RelayMeter {
  readonly #waiting = new Map<string, () => void>();
  readonly #sockets = new Map<'udp4' | 'udp6', Socket>();

  /** Measures one endpoint (IP address and port). Resolves with milliseconds, or null after a second. Does not reject. */
  measure(endpoint: string): Promise<number | null> {
    const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:]+)):(\d+)$/.exec(endpoint) ?? [];
    const host = bracketed ?? plain;
    if (host === undefined) return Promise.resolve(null);
    const datagram = Buffer.concat([relayProbeMagic, randomBytes(8)]);
    const key = datagram.toString('hex');
    return new Promise((resolve) => {
      const began = performance.now();
      const end = (rttMs: number | null): void => {
        clearTimeout(timer);
        this.#waiting.delete(key);
        resolve(rttMs);
      };
      const timer = setTimeout(() => end(null), longestMs);
      this.#waiting.set(key, () => end(performance.now() - began));
      this.#socket(isIPv6(host) ? 'udp6' : 'udp4').send(datagram, Number(port), host, (error) => {
        if (error !== null) end(null);
      });
    });
  }

  close(): void {
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
  }

  #socket(type: 'udp4' | 'udp6'): Socket {
    const known = this.#sockets.get(type);
    if (known !== undefined) return known;
    const socket = createSocket(type);
    socket.unref();
    socket.on('message', (datagram) => this.#waiting.get(datagram.toString('hex'))?.());
    // A failed socket receives nothing; the next measurement opens a new one.
    socket.on('error', () => {
      if (this.#sockets.get(type) === socket) this.#sockets.delete(type);
      socket.close();
    });
    this.#sockets.set(type, socket);
    return socket;
  }
}

const longestMs = 1_000;

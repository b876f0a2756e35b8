import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { relayProbeMagic as probeMagic } from '@sallyport/agent-runtime';
import { guarded } from '@sallyport/contract/guard';

const leastBytes = 16;
const mostBytes = 64;

/** Sends round-trip probes back as they came, and answers nothing else: it is no amplifier. */
export class RelayEcho {
  readonly #socket: Socket;

  /** `failed` gets errors of the socket, which end it; `broken` what a datagram did to this program. */
  constructor(port: number, failed: (error: NodeJS.ErrnoException) => void, broken: (error: unknown) => void) {
    this.#socket = createSocket('udp6');
    const echo = (datagram: Buffer, { address, port: from }: RemoteInfo): void => {
      if (from !== 0 && isProbe(datagram)) this.#socket.send(datagram, from, address, () => {});
    };
    this.#socket.on('message', guarded(broken, echo));
    this.#socket.on('error', failed);
    this.#socket.bind(port);
    this.#socket.unref();
  }

  close(): void {
    this.#socket.removeAllListeners('error');
    this.#socket.on('error', () => {});
    this.#socket.close();
  }
}

function isProbe(datagram: Buffer): boolean {
  const fits = datagram.length >= leastBytes && datagram.length <= mostBytes;
  return fits && datagram.subarray(0, probeMagic.length).equals(probeMagic);
}

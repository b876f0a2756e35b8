import { createSocket, type Socket } from 'node:dgram';
import { relayProbeMagic as probeMagic } from '@sallyport/agent-runtime';

const leastBytes = 16;
const mostBytes = 64;

/** Sends round-trip probes back as they came, and answers nothing else: it is no amplifier. */
export class RelayEcho {
  readonly #socket: Socket;

  constructor(port: number, failed: (error: NodeJS.ErrnoException) => void) {
    this.#socket = createSocket('udp6');
    this.#socket.on('message', (datagram, { address, port: from }) => {
      if (from !== 0 && isProbe(datagram)) this.#socket.send(datagram, from, address, () => {});
    });
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

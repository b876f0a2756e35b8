import { relayProbeMagic as probeMagic } from '@sallyport/agent-runtime';
import { addressOf } from './addresses.ts';
import { RelaySocket, type SocketEvents } from './socket.ts';

const leastBytes = 16;
const mostBytes = 64;

/** Returns round-trip probes to their sender unchanged, and answers nothing else, so it does not amplify. */
export class RelayEcho {
  readonly #socket: RelaySocket;

  /** `failed` gets errors of the socket, which end it; `broken` gets errors that a datagram caused in this program. */
  constructor(port: number, failed: (error: NodeJS.ErrnoException) => void, broken: (error: unknown) => void) {
    const echo: SocketEvents['message'] = (datagram, { address, port: from }) => {
      const sender = addressOf(address, from);
      if (sender !== null && isProbe(datagram)) this.#socket.send(datagram, sender);
    };
    this.#socket = new RelaySocket(port, { message: echo, error: failed, broken });
  }

  close(): void {
    this.#socket.close();
  }
}

function isProbe(datagram: Buffer): boolean {
  const fits = datagram.length >= leastBytes && datagram.length <= mostBytes;
  return fits && datagram.subarray(0, probeMagic.length).equals(probeMagic);
}

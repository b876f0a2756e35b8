import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { Initiator, privateKeyFrom, publicKeyOf, type Session, tai64n } from '@sallyport/wireguard';

/** The WireGuard socket of an agent, as a beacon sees it. */
export class Knocker {
  readonly publicKey: string;
  readonly #privateKey: string;
  #socket: Socket;
  #timestamp = Date.now();

  private constructor(socket: Socket, privateKey: string) {
    this.#socket = socket;
    this.#privateKey = privateKey;
    this.publicKey = publicKeyOf(privateKey);
  }

  static async open(address = '127.0.0.1', privateKey = privateKeyFrom(randomBytes(32))): Promise<Knocker> {
    return new Knocker(await bound(address), privateKey);
  }

  /** Place where the beacon sees it. */
  get endpoint(): string {
    const { address, port } = this.#socket.address();
    return `${address}:${port}`;
  }

  /** Uses another socket from now on. */
  async move(address = '127.0.0.1'): Promise<void> {
    await this.close();
    this.#socket = await bound(address);
  }

  /** Knocks at a beacon's port until it answers; null when it never does. */
  async initiate(port: number, beaconKey: string, attempts = 100): Promise<Session | null> {
    const initiator = new Initiator({ privateKey: this.#privateKey, publicKey: beaconKey });
    for (let attempt = 0; attempt < attempts; attempt++) {
      this.#timestamp++;
      const datagram = initiator.initiate({
        ephemeral: randomBytes(32),
        senderIndex: randomBytes(4).readUInt32LE(),
        timestamp: tai64n(this.#timestamp),
        now: performance.now(),
      });
      this.send(datagram, port);
      const answer = await this.#heard(100);
      const result = answer && initiator.receive(answer, performance.now());
      if (result?.kind === 'session') return result.session;
    }
    return null;
  }

  send(datagram: Uint8Array, port: number): void {
    this.#socket.send(datagram, port, '127.0.0.1');
  }

  keepalive(session: Session, port: number): void {
    this.send(session.keepalive(performance.now()) ?? new Uint8Array(0), port);
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }

  async #heard(timeoutMs: number): Promise<Uint8Array | null> {
    try {
      const [datagram] = await once(this.#socket, 'message', { signal: AbortSignal.timeout(timeoutMs) });
      return datagram;
    } catch {
      return null;
    }
  }
}

async function bound(address: string): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(0, address);
  await once(socket, 'listening');
  return socket;
}

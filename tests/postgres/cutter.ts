import net from 'node:net';

/** Carries connections to the socket of a server, and cuts one in the middle of its next commit. */
export class Cutter {
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  cut: 'before the commit' | 'after the commit' | null = null;

  private constructor(path: string) {
    this.#server = net.createServer((client) => this.#carry(client, net.connect(path)));
  }

  static async start(path: string): Promise<Cutter> {
    const proxy = new Cutter(path);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  stop(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #carry(client: net.Socket, target: net.Socket): void {
    let silent = false;
    for (const socket of [client, target]) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => {
        client.destroy();
        target.destroy();
      });
    }
    client.on('data', (data) => {
      const { cut } = this;
      const commit = data.toString('latin1').search(/P.{4}\0commit\0/s);
      if (cut === null || commit < 0) return void target.write(data);
      this.cut = null;
      // The statements of the write come together with the commit.
      if (cut === 'before the commit') return void target.write(data.subarray(0, commit), () => client.destroy());
      silent = true;
      target.write(data);
    });
    target.on('data', (data) => {
      if (!silent) client.write(data);
      else if (data.includes('COMMIT\0')) client.destroy();
    });
  }
}

import net from 'node:net';
import { endTogether, Relay } from './relay.ts';

/** Carries connections to the socket of a server, and cuts one in the middle of its next commit. */
export class Cutter extends Relay {
  readonly #path: string;
  cut: 'before the commit' | 'after the commit' | null = null;

  private constructor(path: string) {
    super();
    this.#path = path;
  }

  static start(path: string): Promise<Cutter> {
    return new Cutter(path).listen();
  }

  protected connect(): net.Socket {
    return net.connect(this.#path);
  }

  protected carry(client: net.Socket, target: net.Socket): void {
    let silent = false;
    endTogether(client, target);
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

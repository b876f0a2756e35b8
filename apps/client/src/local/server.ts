import { chmod, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { guarded } from '@sallyport/contract/guard';
import { type LocalReply, LocalRequest, maxRequest, readBounded, socketName } from '@sallyport/contract/local';

/** Answers requests to the daemon. Thrown messages are sent to the caller unchanged. */
export type LocalHandler = (request: LocalRequest) => Promise<LocalReply> | LocalReply;

/**
 * The daemon's socket in its state directory, accessible to its owner only. The directory must be locked, because an
 * old socket is replaced.
 */
export class LocalServer {
  readonly #server: Server;
  readonly #path: string;
  readonly #failed: (error: unknown) => void;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, path: string, failed: (error: unknown) => void) {
    this.#failed = failed;
    this.#server = server;
    this.#path = path;
  }

  /** `failed` is called when the connection of a caller failed and was ended. */
  static async listen(stateDir: string, handler: LocalHandler, failed: (error: unknown) => void): Promise<LocalServer> {
    const path = join(stateDir, socketName);
    await rm(path, { force: true });
    const server = createServer();
    const local = new LocalServer(server, path, failed);
    server.on('connection', (socket) => local.#guard(socket, () => local.#serve(socket, handler))());
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
    // The directory already excludes other users, also between these two steps.
    await chmod(path, 0o600);
    return local;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#path, { force: true });
  }

  #guard<A extends unknown[]>(socket: Socket, run: (...values: A) => unknown): (...values: A) => void {
    return guarded((error) => {
      this.#failed(error);
      socket.destroy();
    }, run);
  }

  /** Answers requests of one connection in order. */
  #serve(socket: Socket, handler: LocalHandler): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {});
    socket.setEncoding('utf8');
    let text = '';
    let turn: Promise<void> = Promise.resolve();
    const take = (data: string): void => {
      text += data;
      for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
        const line = text.slice(0, end);
        text = text.slice(end + 1);
        turn = turn.then(() => this.#answer(socket, handler, line));
        this.#guard(socket, () => turn)();
      }
      if (text.length > maxRequest) socket.destroy();
    };
    socket.on('data', this.#guard(socket, take));
  }

  async #answer(socket: Socket, handler: LocalHandler, line: string): Promise<void> {
    const request = parse(line);
    if (request?.op === 'follow') return follow(socket, handler);
    send(socket, await replyTo(request, handler));
  }
}

/** Polls the status while a caller follows it. This is far cheaper than change events from every part. */
async function follow(socket: Socket, handler: LocalHandler): Promise<void> {
  let sent = '';
  if (socket.destroyed) return;
  const look = async (): Promise<void> => {
    const reply = await replyTo({ op: 'status' }, handler);
    const text = JSON.stringify(reply);
    if (text !== sent) send(socket, reply);
    sent = text;
  };
  await look();
  const timer = setInterval(() => void look().catch(() => socket.destroy()), followMs);
  await new Promise((resolve) => socket.once('close', resolve));
  clearInterval(timer);
}

const followMs = 10;

async function replyTo(request: LocalRequest | null, handler: LocalHandler): Promise<LocalReply> {
  if (request === null) return { type: 'failed', message: 'the daemon does not know this request' };
  try {
    return await handler(request);
  } catch (error) {
    return { type: 'failed', message: error instanceof Error ? error.message : String(error) };
  }
}

function send(socket: Socket, reply: LocalReply): void {
  if (socket.writable) socket.write(`${JSON.stringify(reply)}\n`);
}

function parse(line: string): LocalRequest | null {
  return readBounded(line, LocalRequest, { length: maxRequest, commas: 20, depth: 2 });
}

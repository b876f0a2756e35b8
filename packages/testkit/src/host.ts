import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Cleanup } from './cleanup.ts';
import type { HostCall, HostReply, HttpAnswer, HttpInit, StreamState } from './host-calls.ts';
import type { Namespace } from './netns.ts';

/**
 * A program inside a namespace that listens, connects and sends on demand, with real sockets and no process per probe.
 */
export class Host {
  readonly namespace: Namespace;
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #next = 1;

  private constructor(namespace: Namespace, child: ChildProcess) {
    this.namespace = namespace;
    this.#child = child;
    child.on('message', (message) => this.#settle(message as HostReply));
    child.on('exit', (code, signal) => {
      for (const { reject } of this.#pending.values()) reject(new Error(`host process ended (${code ?? signal})`));
      this.#pending.clear();
    });
  }

  static async start(namespace: Namespace, cleanup: Cleanup): Promise<Host> {
    const program = fileURLToPath(new URL('./host-process.ts', import.meta.url));
    cleanup.check();
    const child = spawn('ip', ['netns', 'exec', namespace.name, process.execPath, program], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const host = new Host(namespace, child);
    cleanup.add(() => host.#stop());
    await host.call({ op: 'ready' });
    return host;
  }

  /** Listens on TCP and echoes each line; resolves when listening. */
  listenTcp(port: number, address = '::'): Promise<void> {
    return this.call({ op: 'listen-tcp', port, address }) as Promise<void>;
  }

  /** Listens on UDP and echoes datagrams. */
  listenUdp(port: number, address = '::'): Promise<void> {
    return this.call({ op: 'listen-udp', port, address }) as Promise<void>;
  }

  /** Listens on HTTP and answers every request with `body`. */
  listenHttp(port: number, body: string, address = '::'): Promise<void> {
    return this.call({ op: 'listen-http', port, address, body }) as Promise<void>;
  }

  /** Listens on HTTP and answers every request with its source address. */
  listenHttpSource(port: number, address = '::'): Promise<void> {
    return this.call({ op: 'listen-http', port, address }) as Promise<void>;
  }

  /**
   * Sends a line that must come back. Returns `ok`, the error code (`ECONNREFUSED`, `EHOSTUNREACH`, …), or `timeout`.
   */
  tcp(address: string, port: number, options: { timeoutMs?: number; from?: string } = {}): Promise<string> {
    return this.call({
      op: 'tcp',
      address,
      port,
      timeoutMs: options.timeoutMs ?? 1500,
      from: options.from,
    }) as Promise<string>;
  }

  udp(address: string, port: number, options: { timeoutMs?: number; from?: string } = {}): Promise<string> {
    return this.call({
      op: 'udp',
      address,
      port,
      timeoutMs: options.timeoutMs ?? 1000,
      from: options.from,
    }) as Promise<string>;
  }

  /** Sends one ICMP echo with the system's ping. Returns `ok` or the output of ping. */
  ping(
    address: string,
    options: { timeoutMs?: number; size?: number; dontFragment?: boolean; from?: string } = {},
  ): Promise<string> {
    return this.call({
      op: 'ping',
      address,
      timeoutMs: options.timeoutMs ?? 1000,
      size: options.size,
      dontFragment: options.dontFragment,
      from: options.from,
    }) as Promise<string>;
  }

  /** Sends an HTTP request from this host. Returns status, headers and body, or the error code. */
  http(url: string, init: HttpInit = {}): Promise<HttpAnswer> {
    return this.call({ op: 'http', url, init }) as Promise<HttpAnswer>;
  }

  /** Opens a TCP connection that sends a numbered line every `everyMs` and counts the echoes, until it is stopped. */
  startStream(id: string, address: string, port: number, everyMs = 20): Promise<void> {
    return this.call({ op: 'stream-start', id, address, port, everyMs }) as Promise<void>;
  }

  /** Does the same with UDP datagrams; a datagram that does not come back is lost. */
  startDatagrams(id: string, address: string, port: number, everyMs = 20): Promise<void> {
    return this.call({ op: 'datagrams-start', id, address, port, everyMs }) as Promise<void>;
  }

  stream(id: string): Promise<StreamState> {
    return this.call({ op: 'stream-state', id }) as Promise<StreamState>;
  }

  /** Stops sending, waits for outstanding echoes, and returns the final counts. */
  stopStream(id: string): Promise<StreamState> {
    return this.call({ op: 'stream-stop', id }) as Promise<StreamState>;
  }

  /** Sends a call to the host process, for other modules of this package. */
  call(call: HostCall): Promise<unknown> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#child.send({ id, call }, (error) => error && reject(error));
    });
  }

  #settle(reply: HostReply): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (reply.error === undefined) pending?.resolve(reply.value);
    else pending?.reject(new Error(reply.error));
  }

  async #stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await gone;
  }
}

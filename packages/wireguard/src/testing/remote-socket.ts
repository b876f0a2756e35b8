import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { HandshakeProbeOptions, HandshakeProbeResult } from '../backends/probe.ts';

export type ToSocket =
  | { readonly kind: 'send'; readonly datagram: Uint8Array; readonly port: number; readonly times: number }
  | { readonly kind: 'probe'; readonly id: number; readonly options: HandshakeProbeOptions };

export type FromSocket =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'datagram'; readonly datagram: Uint8Array; readonly address: string; readonly port: number }
  | { readonly kind: 'probed'; readonly id: number; readonly result: HandshakeProbeResult };

/** A UDP socket on the loopback of a network namespace, in its own process. */
export interface RemoteSocket {
  readonly port: number;
  /** Called for each received datagram. `source` has the form that a responder takes. */
  onDatagram: (datagram: Uint8Array, source: string, port: number) => void;
  send(datagram: Uint8Array, port: number, times?: number): void;
  /** Runs `probeHandshake` inside the namespace. */
  probe(options: HandshakeProbeOptions): Promise<HandshakeProbeResult>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function openRemoteSocket(namespace: string): Promise<RemoteSocket> {
  const script = new URL(import.meta.url.endsWith('.ts') ? './socket-child.ts' : './socket-child.js', import.meta.url);
  const child = fork(script, [], {
    execPath: 'ip',
    execArgv: ['netns', 'exec', namespace, process.execPath],
    serialization: 'advanced',
  });
  const probes = new Map<number, (result: HandshakeProbeResult) => void>();
  const listening = Promise.withResolvers<number>();
  child.on('exit', () => listening.reject(new Error('the process with the socket ended')));
  child.on('message', (raw) => {
    const message = raw as FromSocket;
    if (message.kind === 'listening') listening.resolve(message.port);
    else if (message.kind === 'probed') probes.get(message.id)?.(message.result);
    else socket.onDatagram(message.datagram, `${message.address}:${message.port}`, message.port);
  });
  const tell = (message: ToSocket): void => void child.send(message);
  const socket: RemoteSocket = {
    port: await listening.promise,
    onDatagram: () => {},
    send: (datagram, port, times = 1) => tell({ kind: 'send', datagram, port, times }),
    probe(options) {
      const { promise, resolve } = Promise.withResolvers<HandshakeProbeResult>();
      const id = probes.size;
      probes.set(id, resolve);
      tell({ kind: 'probe', id, options });
      return promise;
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
  return socket;
}

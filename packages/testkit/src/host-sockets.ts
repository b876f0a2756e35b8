import dgram from 'node:dgram';

/** A UDP socket of a host process that sends on demand and records received datagrams. */
export type SocketCall =
  | { op: 'socket-open'; id: string; address: string; port: number; mirror: boolean }
  | { op: 'socket-send'; id: string; address: string; port: number; text: string }
  | { op: 'socket-inbox'; id: string }
  | { op: 'socket-close'; id: string };

/** A received datagram: its text and source, as `address:port`. */
export interface Received {
  readonly from: string;
  readonly text: string;
}

const sockets = new Map<string, { socket: dgram.Socket; inbox: Received[] }>();

/** Carries out a call that concerns a socket. */
export async function performSocket(call: SocketCall): Promise<unknown> {
  if (call.op === 'socket-open') return open(call);
  const entry = sockets.get(call.id);
  if (entry === undefined) throw new Error(`no socket ${call.id}`);
  switch (call.op) {
    case 'socket-send':
      // A refusal of the network for an earlier datagram is no failure of this one.
      entry.socket.send(call.text, call.port, call.address, () => undefined);
      return undefined;
    case 'socket-inbox':
      return entry.inbox;
    case 'socket-close':
      sockets.delete(call.id);
      entry.socket.close();
      return undefined;
  }
}

function open(call: Extract<SocketCall, { op: 'socket-open' }>): Promise<number> {
  const socket = dgram.createSocket('udp4');
  const inbox: Received[] = [];
  socket.on('message', (data, from) => {
    const seen = `${from.address}:${from.port}`;
    inbox.push({ from: seen, text: data.toString() });
    if (call.mirror) socket.send(seen, from.port, from.address, () => undefined);
  });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(call.port, call.address, () => {
      socket.removeAllListeners('error').on('error', () => undefined);
      sockets.set(call.id, { socket, inbox });
      resolve(socket.address().port);
    });
  });
}

/**
 * A device, or a bare server to compare with, in the namespace of this process. Takes orders from its parent, one after
 * another.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';

/** An order to a device. */
export type DeviceOrder =
  /** Echoes datagrams on port 5353, and answers at once. */
  | { readonly op: 'echo' }
  /** Answers with the processor time that this process has spent, in microseconds. */
  | { readonly op: 'usage' }
  /**
   * Asks about known names for a time, or sends datagrams of the size of the answers. Answers with the number of
   * answers.
   */
  | { readonly op: 'ask'; readonly echo: boolean; readonly sources: readonly string[]; readonly ms: number }
  /** Asks about a name and connects. Answers with the monotonic milliseconds at which it was connected. */
  | { readonly op: 'connect'; readonly source: string; readonly name: number; readonly port: number }
  /** Sends so many queries a second to a port of the gateway until `calm`. */
  | { readonly op: 'flood'; readonly source: string; readonly perSecond: number; readonly port: number }
  /** Answers with the number of queries sent. */
  | { readonly op: 'calm' };

const server = '100.64.0.1';
const echoPort = 5353;
/** Queries that wait for an answer. */
const outstanding = 64;
const knownNames = 1000;

function queryAbout(n: number, id: number): Buffer {
  const labels = [`n${n}`, 'corp', 'example'].map((label) => `${String.fromCharCode(label.length)}${label}`);
  const header = Buffer.from([id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([header, Buffer.from(labels.join('')), Buffer.from([0, 0, 1, 0, 1])]);
}

async function bound(source: string): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(0, source);
  await once(socket, 'listening');
  return socket;
}

async function echo(): Promise<number> {
  const socket = createSocket('udp4');
  socket.on('message', (data, from) => socket.send(data, from.port, from.address, () => {}));
  socket.bind(echoPort, server);
  await once(socket, 'listening');
  return 0;
}

async function ask(order: Extract<DeviceOrder, { op: 'ask' }>): Promise<number> {
  const sockets = await Promise.all(order.sources.map(bound));
  const end = performance.now() + order.ms;
  let asked = 0;
  let answers = 0;
  const next = (socket: Socket) => {
    asked += 1;
    const query = queryAbout(1 + (asked % knownNames), asked & 0xffff);
    // An answer has one record more, of 16 bytes beside the name.
    const data = order.echo ? Buffer.concat([query, Buffer.alloc(query.length)]) : query;
    socket.send(data, order.echo ? echoPort : 53, server);
  };
  await new Promise<void>((resolve) => {
    for (const [i, socket] of sockets.entries()) {
      socket.on('message', (data) => {
        if (!order.echo && data.readUInt16BE(6) !== 1) throw new Error('a query got no address');
        answers += 1;
        if (performance.now() < end) next(sockets[(i + outstanding) % sockets.length] as Socket);
      });
      if (i < outstanding) next(socket);
    }
    setTimeout(resolve, order.ms);
  });
  for (const socket of sockets) socket.close();
  return answers;
}

async function connectTo({ source, name, port }: Extract<DeviceOrder, { op: 'connect' }>): Promise<number> {
  const socket = await bound(source);
  const answer = once(socket, 'message') as Promise<[Buffer]>;
  socket.send(queryAbout(name, 1), 53, server);
  const [data] = await answer;
  socket.close();
  if (data.readUInt16BE(6) !== 1) throw new Error('a cold name got no address');
  const connection = connect({ host: [...data.subarray(-4)].join('.'), port, localAddress: source });
  await once(connection, 'connect');
  const at = Number(process.hrtime.bigint()) / 1e6;
  connection.destroy();
  return at;
}

let sent = 0;
let flooding: NodeJS.Timeout | null = null;

async function flood({ source, perSecond, port }: Extract<DeviceOrder, { op: 'flood' }>): Promise<number> {
  const socket = await bound(source);
  const began = performance.now();
  sent = 0;
  flooding = setInterval(() => {
    for (const due = ((performance.now() - began) * perSecond) / 1000; sent < due; sent++)
      socket.send(queryAbout(1 + (sent % knownNames), sent & 0xffff), port, server);
  }, 1);
  return 0;
}

async function obey(order: DeviceOrder): Promise<number> {
  if (order.op === 'echo') return echo();
  if (order.op === 'usage') return process.cpuUsage().user + process.cpuUsage().system;
  if (order.op === 'ask') return ask(order);
  if (order.op === 'connect') return connectTo(order);
  if (order.op === 'flood') return flood(order);
  if (flooding !== null) clearInterval(flooding);
  return sent;
}

process.on('disconnect', () => process.exit(1));
process.on('message', async (order: DeviceOrder) => process.send?.(await obey(order)));

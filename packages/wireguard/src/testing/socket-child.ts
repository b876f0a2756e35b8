import { createSocket } from 'node:dgram';
import { probeHandshake } from '../backends/probe.ts';
import type { FromSocket, ToSocket } from './remote-socket.ts';

const socket = createSocket('udp4');
const say = (message: FromSocket): void => void process.send?.(message);

socket.on('message', (datagram, { address, port }) => say({ kind: 'datagram', datagram, address, port }));
socket.bind(0, '127.0.0.1', () => say({ kind: 'listening', port: socket.address().port }));

process.on('message', (raw) => {
  const message = raw as ToSocket;
  if (message.kind === 'send') {
    for (let i = 0; i < message.times; i++) socket.send(message.datagram, message.port, '127.0.0.1');
  } else {
    const { id, options } = message;
    void probeHandshake(options).then((result) => say({ kind: 'probed', id, result }));
  }
});
process.on('disconnect', () => process.exit());

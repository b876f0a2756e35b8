/**
 * Sends a datagram to an echo service every millisecond. Prints `on TIME` at the first echo after a silence, and `off
 * TIME` with the time of the last echo once there is silence. Times are of the monotonic clock, in milliseconds.
 */
import { createSocket } from 'node:dgram';
import { monotonicMs } from '@sallyport/testkit';

const silenceMs = 150;
const [address = '', port = ''] = process.argv.slice(2);
const socket = createSocket('udp4');
let last: number | null = null;

socket.on('error', () => {});
socket.on('message', () => {
  const now = monotonicMs();
  if (last === null) console.log(`on ${now}`);
  last = now;
});
socket.bind(0, () => {
  setInterval(() => {
    // Without a route the kernel refuses to send.
    socket.send('.', Number(port), address, () => {});
    if (last === null || monotonicMs() - last < silenceMs) return;
    console.log(`off ${last}`);
    last = null;
  }, 1);
});

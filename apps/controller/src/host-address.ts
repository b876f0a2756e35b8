import { createSocket } from 'node:dgram';

/** Address with which this machine reaches the rest of the network; null when it has no route. Sends nothing. */
export function hostAddress(): Promise<string | null> {
  const socket = createSocket('udp4');
  return new Promise<string | null>((resolve) => {
    socket.once('error', () => resolve(null));
    // A documentation address (RFC 5737): connecting a UDP socket only asks the routing table.
    socket.connect(9, '192.0.2.1', () => {
      const { address } = socket.address();
      resolve(address === '0.0.0.0' ? null : address);
    });
  }).finally(() => socket.close());
}

/** Whether others cannot mean this machine by that name or address. */
export const isLoopback = (host: string): boolean =>
  host === '::1' || host === 'localhost' || /^127\.[0-9.]+$/.test(host);

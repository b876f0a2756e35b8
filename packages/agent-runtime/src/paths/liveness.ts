import { connect } from 'node:net';

/** TCP port of a gateway's overlay address that its firewall always refuses (docs/paths.md). */
const livenessPort = 1;

/**
 * Probes the gateway at this overlay address. Resolves with the time until the refusal in milliseconds, or null if no
 * refusal came in time or the probe failed. Does not reject.
 */
export function askLiveness(address: string, timeoutMs: number): Promise<number | null> {
  return new Promise((resolve) => {
    const began = performance.now();
    const socket = connect({ host: address, port: livenessPort });
    const end = (rttMs: number | null): void => {
      clearTimeout(timer);
      socket.removeAllListeners();
      socket.on('error', () => {});
      socket.destroy();
      resolve(rttMs);
    };
    const timer = setTimeout(() => end(null), timeoutMs);
    socket.once('connect', () => end(performance.now() - began));
    socket.once('error', ({ code }: NodeJS.ErrnoException) => {
      end(code === 'ECONNREFUSED' ? performance.now() - began : null);
    });
  });
}

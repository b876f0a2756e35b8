import { connect } from 'node:net';

/** TCP port of a gateway's own overlay address at which its firewall refuses for itself (docs/paths.md). */
const livenessPort = 1;

/**
 * Asks the kernel of the gateway at this overlay address whether it lives. Resolves with the time that its refusal took,
 * milliseconds, or null: none came in time, or it could not be asked. Does not reject.
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

import { connect } from 'node:net';
import type { TryOutcome } from '@sallyport/agent-core';

/**
 * Opens a TCP connection to the target of a route and closes it at once, without a byte of data. Does not reject. Only an
 * established connection is `answered`; a firewall on the way may refuse as well as the target.
 */
export function tryTarget(address: string, port: number, timeoutMs: number): Promise<TryOutcome> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    const end = (outcome: TryOutcome): void => {
      clearTimeout(timer);
      socket.removeAllListeners();
      socket.on('error', () => {});
      socket.destroy();
      resolve(outcome);
    };
    const timer = setTimeout(() => end('none'), timeoutMs);
    socket.once('connect', () => end('answered'));
    socket.once('error', ({ code }: NodeJS.ErrnoException) => end(code === 'ECONNREFUSED' ? 'refused' : 'none'));
  });
}

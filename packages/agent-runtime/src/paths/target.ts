import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import type { TryOutcome } from '@sallyport/agent-core';

/**
 * Opens a TCP connection to the target of a route and closes it at once, without a byte of data. Does not reject. Only an
 * established connection is `answered`, because a firewall on the path can refuse instead of the target.
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

/** Sends one ICMP echo with the system's `ping`, which has the privilege for its socket. Does not reject. */
export function echoTarget(address: string, timeoutMs: number): Promise<TryOutcome> {
  const args = ['-n', '-q', '-c', '1', '-W', String(Math.ceil(timeoutMs / 1000)), address];
  const env = { PATH: '/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C' };
  return new Promise((resolve) => {
    // The program needs some time to start.
    const options = { env, timeout: Math.ceil(timeoutMs) + startMs, killSignal: 'SIGKILL' } as const;
    execFile('ping', args, options, (error) => resolve(error === null ? 'answered' : 'none'));
  });
}

const startMs = 200;

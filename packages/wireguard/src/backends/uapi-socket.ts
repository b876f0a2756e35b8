import { connect } from 'node:net';
import { WireGuardError } from '../errors.ts';
import { MAX_ANSWER_BYTES } from '../uapi-decode.ts';
import { noPrivilege } from './failures.ts';

/**
 * Sends one request over a UAPI socket and returns the whole answer with its errno line. The answer to `get=1` holds the
 * private key. Rejects with `not-running` if no program listens (a socket may outlive its program), `timeout` or `protocol`.
 */
export function uapiRequest(path: string, request: string, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const chunks: Buffer[] = [];
    let length = 0;
    let tail = '';
    const settle = (outcome: () => void) => {
      clearTimeout(timer);
      socket.destroy();
      outcome();
    };
    const fail = (error: WireGuardError) => settle(() => reject(error));
    const timer = setTimeout(() => fail(silent(timeoutMs)), timeoutMs);
    socket.on('connect', () => socket.write(request));
    socket.on('error', (error: NodeJS.ErrnoException) => fail(socketFailure(error)));
    socket.on('close', () => fail(new WireGuardError('protocol', 'the WireGuard device hung up without an answer')));
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      length += chunk.length;
      tail = (tail + chunk.subarray(-TAIL_BYTES).toString('latin1')).slice(-TAIL_BYTES);
      if (/(?:^|\n)errno=-?[0-9]+\n\n$/.test(tail)) settle(() => resolve(Buffer.concat(chunks).toString('latin1')));
      else if (length > MAX_ANSWER_BYTES)
        fail(new WireGuardError('protocol', 'the WireGuard device answers without end'));
    });
  });
}

const TAIL_BYTES = 32;

function silent(timeoutMs: number): WireGuardError {
  const hint = 'wireguard-go is stopped or overloaded; end it, the gateway starts a new one';
  return new WireGuardError('timeout', `the WireGuard device did not answer within ${timeoutMs} ms`, hint);
}

function socketFailure(error: NodeJS.ErrnoException): WireGuardError {
  if (error.code === 'EACCES' || error.code === 'EPERM') return noPrivilege();
  return new WireGuardError('not-running', `no WireGuard device answers (${error.code ?? 'unknown reason'})`);
}

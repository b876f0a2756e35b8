import { OperatorError } from './errors.ts';
import { isSystemError } from './system-error.ts';

/** Why the address of a setting cannot be listened on, in words. Errors of another kind are given back as they came. */
export function listenFailure(
  setting: string,
  { host, port }: { host: string; port: number },
  error: unknown,
): unknown {
  if (!isSystemError(error)) return error;
  const sentence = sentences[error.code ?? ''];
  const what = sentence?.(host, port) ?? `port ${port} of ${host} cannot be opened (${error.code})`;
  return new OperatorError(`${setting}: ${what}`);
}

const unresolved = (host: string): string => `the host name ${host} is not known; use an address of this machine`;
const sentences: Readonly<Record<string, (host: string, port: number) => string>> = {
  EADDRINUSE: (host, port) =>
    `port ${port} of ${host} is in use: choose another with --listen, for example --listen 127.0.0.1:8081, or stop the program that uses it`,
  EADDRNOTAVAIL: (host) => `${host} is not an address of this machine`,
  EACCES: (host, port) =>
    `port ${port} of ${host} needs privileges: choose one from 1024 on, or run with CAP_NET_BIND_SERVICE`,
  ENOTFOUND: unresolved,
  EAI_AGAIN: unresolved,
};

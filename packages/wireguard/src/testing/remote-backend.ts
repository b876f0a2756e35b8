import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { UserspaceOptions } from '../backends/userspace.ts';
import { WireGuardError, type WireGuardErrorCode } from '../errors.ts';
import type { DeviceStatus, WireGuardBackend } from '../types.ts';

/** Options of the backend in the child process. */
export type RemoteKind = 'userspace' | 'kernel' | 'wg-on-userspace';

export interface RemoteRequest {
  readonly id: number;
  readonly method: 'ensure' | 'read' | 'apply' | 'remove' | 'detect';
  readonly args: readonly unknown[];
}

export type RemoteAnswer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: { code: WireGuardErrorCode | null; message: string } };

/** A backend in its own process inside a network namespace, as in an agent. */
export interface RemoteBackend extends WireGuardBackend {
  /** Runs `detectBackend` in the child process. */
  detect(...args: readonly unknown[]): Promise<unknown>;
  /** Kills the process to simulate a crash. */
  kill(): Promise<void>;
}

/** Starts the process. `wrapper` is put before `node` (`ip netns exec …`, `setpriv …`). */
export function remoteBackend(
  kind: RemoteKind,
  wrapper: readonly [string, ...string[]],
  options: UserspaceOptions = {},
): RemoteBackend {
  const [program, ...before] = wrapper;
  const script = new URL(
    import.meta.url.endsWith('.ts') ? './backend-child.ts' : './backend-child.js',
    import.meta.url,
  );
  const child = fork(script, [kind, JSON.stringify(options)], {
    execPath: program,
    execArgv: [...before, process.execPath],
    serialization: 'advanced',
  });
  const call = caller(child);
  return {
    kind: kind === 'userspace' ? 'userspace' : 'kernel',
    ensure: async (name) => void (await call('ensure', [name])),
    read: async (name) => (await call('read', [name])) as DeviceStatus | null,
    apply: async (name, change) => void (await call('apply', [name, change])),
    remove: async (name) => void (await call('remove', [name])),
    detect: (...args) => call('detect', args),
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

function caller(child: ChildProcess): (method: RemoteRequest['method'], args: readonly unknown[]) => Promise<unknown> {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  let lastId = 0;
  child.on('message', (message) => {
    const answer = message as RemoteAnswer;
    const promise = waiting.get(answer.id);
    waiting.delete(answer.id);
    if ('value' in answer) promise?.resolve(answer.value);
    else promise?.reject(rebuild(answer.error));
  });
  child.on('exit', () => {
    for (const promise of waiting.values()) promise.reject(new Error('the process with the backend ended'));
  });
  return (method, args) => {
    const promise = Promise.withResolvers<unknown>();
    lastId += 1;
    waiting.set(lastId, promise);
    child.send({ id: lastId, method, args } satisfies RemoteRequest);
    return promise.promise;
  };
}

function rebuild({ code, message }: { code: WireGuardErrorCode | null; message: string }): Error {
  return code === null ? new Error(message) : new WireGuardError(code, message);
}

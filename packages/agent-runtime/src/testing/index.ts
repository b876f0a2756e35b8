import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { AgentMessage, StateItem } from '@sallyport/contract/channel';
import type { ControllerCall, ControllerState } from './controller-program.ts';

export type { ControllerCall, ControllerState };

/** A scripted controller in its own process, for tests of an agent's real program. */
export class ControllerProcess {
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #next = 1;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', ({ id, value, error }: { id: number; value?: unknown; error?: string }) => {
      const pending = this.#pending.get(id);
      this.#pending.delete(id);
      if (error === undefined) pending?.resolve(value);
      else pending?.reject(new Error(error));
    });
    child.on('exit', () => {
      for (const { reject } of this.#pending.values()) reject(new Error('the scripted controller has ended'));
      this.#pending.clear();
    });
  }

  /** `namespace`: name of its network namespace. */
  static start(namespace: string): ControllerProcess {
    const program = fileURLToPath(new URL('./controller-program.ts', import.meta.url));
    return new ControllerProcess(
      spawn('ip', ['netns', 'exec', namespace, process.execPath, program], {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      }),
    );
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  call<T>(call: ControllerCall): Promise<T> {
    const id = this.#next++;
    return new Promise<T>((resolve, reject) => {
      this.#pending.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.#child.send({ id, call }, (error) => error && reject(error));
    });
  }

  change(upserts: readonly StateItem[], removes: readonly string[] = []): Promise<ControllerState> {
    return this.call({ op: 'change', upserts, removes });
  }

  state(): Promise<ControllerState> {
    return this.call({ op: 'state' });
  }

  heard(): Promise<AgentMessage[]> {
    return this.call({ op: 'heard' });
  }
}

import type { StateDelta } from '@sallyport/contract/channel';
import type { TenantCompiler } from '@sallyport/policy';
import type { Timers } from '../channel/timers.ts';

/** Devices that are renewed in one step, and how long a step may take once it has renewed some, milliseconds. */
const devicesPerStep = 100;
const stepMs = 5;

/** Parts of the runtime that a renewal uses. */
export interface RenewalHost {
  readonly timers: Timers;
  readonly tell: (device: string, delta: StateDelta) => void;
  /** Time that a step took, milliseconds. */
  readonly took: (ms: number) => void;
  readonly failed: (error: unknown) => void;
  /** The compiler is in the middle of a change. `run` is called after it. */
  readonly isBusy: () => boolean;
}

/**
 * Brings the states of a tenant's devices up to date in steps, so that a change that concerns all of them does not hold
 * the event loop. A change that comes meanwhile joins: each device gets the newest state once.
 */
export class DeviceRenewal {
  readonly #compiler: TenantCompiler;
  readonly #host: RenewalHost;
  #scheduled = false;
  #stopped = false;

  constructor(compiler: TenantCompiler, host: RenewalHost) {
    this.#compiler = compiler;
    this.#host = host;
  }

  /** Renews the first devices now, and the others in later steps. */
  run(): void {
    if (!this.#scheduled && !this.#stopped) this.#step();
  }

  /** Renews one device now. */
  renew(device: string): void {
    const delta = this.#compiler.renewDevice(device);
    if (delta !== null) this.#host.tell(device, delta);
  }

  /** Ends all later steps. */
  stop(): void {
    this.#stopped = true;
  }

  #step(): void {
    const began = performance.now();
    let count = 0;
    for (const [device, delta] of this.#compiler.renewDevices()) {
      this.#host.tell(device, delta);
      if (++count < devicesPerStep && (count < 10 || performance.now() - began < stepMs)) continue;
      this.#later();
      break;
    }
    this.#host.took(performance.now() - began);
  }

  #later(): void {
    this.#scheduled = true;
    this.#host.timers.soon(() => {
      this.#scheduled = false;
      if (this.#stopped || this.#host.isBusy()) return;
      try {
        this.#step();
      } catch (error) {
        this.#host.failed(error);
        this.#later();
      }
    });
  }
}

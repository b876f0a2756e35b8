import type { Timers } from '../../channel/timers.ts';
import type { DeviceQueries } from '../../objects/devices/queries.ts';

/** What counting devices needs. */
export interface DeviceCountDeps {
  readonly now: () => number;
  readonly timers: Timers;
  readonly devices: Pick<DeviceQueries, 'standing'>;
}

interface Counted {
  active: boolean;
  online: boolean;
  /** Moment at which the device is looked at again, in steps; null: at no moment. */
  step: number | null;
}

/** Devices that go offline within this time are looked at together, milliseconds. */
const stepMs = 10_000;

/**
 * How many devices of a tenant are online. An event looks at one device. Devices that are online by their handshake are
 * looked at again when it expires, step by step, so that nothing scans all devices.
 */
export class DeviceCounts {
  readonly #deps: DeviceCountDeps;
  readonly #changed: () => void;
  readonly #devices = new Map<string, Counted>();
  readonly #steps = new Map<number, Set<string>>();
  #online = 0;
  #cancel: (() => void) | null = null;

  /** `changed` is called when the figures changed by time. */
  constructor(deps: DeviceCountDeps, changed: () => void) {
    this.#deps = deps;
    this.#changed = changed;
  }

  get figures(): { readonly total: number; readonly online: number } {
    return { total: this.#devices.size, online: this.#online };
  }

  ids(): Iterable<string> {
    return this.#devices.keys();
  }

  /** Sets whether a device is active; null: it is deleted. */
  set(id: string, active: boolean | null): void {
    const known = this.#devices.get(id);
    if (active === null) {
      if (known === undefined) return;
      this.#plan(id, known, null);
      if (known.online) this.#online--;
      this.#devices.delete(id);
      return;
    }
    if (known === undefined) this.#devices.set(id, { active, online: false, step: null });
    else known.active = active;
    this.look(id);
  }

  /** Looks at a device again. Returns whether it came online or went offline. */
  look(id: string): boolean {
    const device = this.#devices.get(id);
    if (device === undefined) return false;
    const { status, until } = this.#deps.devices.standing(id, device.active);
    const online = status === 'Online';
    this.#plan(id, device, until === null ? null : Math.floor(until / stepMs) + 1);
    if (online === device.online) return false;
    device.online = online;
    this.#online += online ? 1 : -1;
    return true;
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#steps.clear();
    this.#devices.clear();
  }

  #plan(id: string, device: Counted, step: number | null): void {
    if (device.step === step) return;
    if (device.step !== null) this.#steps.get(device.step)?.delete(id);
    device.step = step;
    if (step === null) return;
    const together = this.#steps.get(step) ?? new Set();
    this.#steps.set(step, together.add(id));
    if (this.#cancel === null) this.#arm();
  }

  #arm(): void {
    const { now, timers } = this.#deps;
    this.#cancel = timers.after(stepMs - (now() % stepMs) + 1, () => this.#pass());
  }

  #pass(): void {
    this.#cancel = null;
    const step = Math.floor(this.#deps.now() / stepMs);
    const due = [...this.#steps].filter(([at]) => at <= step);
    let changed = false;
    for (const [at, ids] of due) {
      this.#steps.delete(at);
      for (const id of ids) changed = this.look(id) || changed;
    }
    if (this.#steps.size > 0 && this.#cancel === null) this.#arm();
    if (changed) this.#changed();
  }
}

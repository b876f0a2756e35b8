import type { Observations } from './observations.ts';
import type { DeviceFacts } from './types.ts';

/** Least time between changed postures of one device that are written at once, milliseconds. */
const postureGapMs = 5_000;

/** Facts that a client reports about its device and that must outlive the process. */
export class DeviceNotes {
  readonly #tenant: string;
  readonly #device: string;
  readonly #observations: Observations;
  #postureAt = Number.NEGATIVE_INFINITY;
  #version: string | null = null;

  constructor(tenant: string, device: string, observations: Observations) {
    this.#tenant = tenant;
    this.#device = device;
    this.#observations = observations;
  }

  /** Writes the first posture at once. When a posture follows soon after another, it waits for the next flush. */
  posture(posture: NonNullable<DeviceFacts['posture']>, now: number): void {
    const soon = now - this.#postureAt < postureGapMs;
    if (!soon) this.#postureAt = now;
    this.#observations.deviceTold(this.#tenant, this.#device, { posture }, soon);
  }

  version(agentVersion: string): void {
    if (agentVersion === this.#version) return;
    this.#version = agentVersion;
    this.#observations.deviceTold(this.#tenant, this.#device, { agentVersion }, false);
  }
}

import type { Observations } from './observations.ts';
import { Pace } from './pace.ts';
import type { Presence } from './types.ts';

/** Facts about one gateway that must outlive the process: its first deployment, when it was last online, and its error. */
export class GatewayNotes {
  readonly #tenant: string;
  readonly #gateway: string;
  readonly #observations: Observations;
  readonly #errorPace = new Pace(500, 8_000);
  #deployed = false;
  /** Undefined until this process has written it. */
  #errorWritten: string | null | undefined;

  constructor(tenant: string, gateway: string, observations: Observations) {
    this.#tenant = tenant;
    this.#gateway = gateway;
    this.#observations = observations;
  }

  /**
   * `confirmed`: the connected agent has said that a state is in force. Until then an error that an earlier process wrote
   * may still hold. Returns when to call again at the latest, epoch milliseconds, or null.
   */
  update(view: Presence, confirmed: boolean, now: number): number | null {
    const error = view.error ?? (view.converged && confirmed ? null : this.#errorWritten);
    const again = error === undefined || error === this.#errorWritten ? null : this.#noteError(error, now);
    if (!view.converged) return again;
    if (!this.#deployed) this.#observations.observe(this.#tenant, this.#gateway, { deployedAt: now });
    this.#deployed = true;
    if (view.error === null && view.lastSeen !== null) this.#observations.online(this.#gateway, view.lastSeen);
    return again;
  }

  #noteError(error: string | null, now: number): number | null {
    if (now < this.#errorPace.next) return this.#errorPace.next;
    if (this.#errorWritten !== undefined) this.#errorPace.went(now);
    this.#errorWritten = error;
    this.#observations.observe(this.#tenant, this.#gateway, { error });
    return null;
  }
}

import type { TestAgent } from './agent.ts';
import type { TestController } from './controller.ts';
import { pick } from './dice.ts';
import type { World } from './harness.ts';

/** Kinds of failures. */
export type Mischief = Readonly<Record<string, (host: TestAgent) => void | Promise<void>>>;

/** Injects random failures between controllers and their agents. */
export class Storm {
  /** The story so far. */
  readonly kinds = new Set<string>();
  readonly #world: World;
  readonly #mischief: Mischief;

  /** `more`: further kinds of failures. `without`: kinds to leave out. */
  constructor(world: World, more: Mischief = {}, without: readonly string[] = []) {
    this.#world = world;
    const all: Mischief = {
      ...more,
      'cut connection': (host) => host.wire?.cut(),
      'half-open connection': (host) => host.wire?.halfOpen(),
      'frozen network': (host) => this.#freeze(host),
      'agent that does not read': (host) => this.#stopReading(host),
      'agent killed': (host) => (host.session === null ? host.start() : host.kill()),
      'agent restarted': (host) => {
        if (host.session !== null) host.stop();
        host.start();
      },
      'controller killed': () => this.#restart((controller) => controller.kill()),
      'controller restarted': () => this.#restart((controller) => controller.stop()),
      'broken data plane': (host) => {
        host.plane.failing = !host.plane.failing;
      },
      'foreign program': (host) => host.damage(pick(world.dice, [...host.plane.inForce.keys(), 'gateway'])),
      'clock step': (host) => {
        host.skewMs = Math.floor((world.dice() - 0.5) * 7_200_000);
      },
      'slow network': () => {
        world.weather = { delayMs: world.dice() * 2_000, jobMs: world.dice() * 500 };
      },
    };
    this.#mischief = Object.fromEntries(Object.entries(all).filter(([kind]) => !without.includes(kind)));
  }

  /** Kinds of failures. */
  get all(): number {
    return Object.keys(this.#mischief).length;
  }

  /** Causes or repairs one failure. */
  async blow(): Promise<void> {
    const { dice, controllers } = this.#world;
    const agents = this.#world.agents.filter((agent) => !agent.tornDown);
    const down = controllers.find(({ up }) => !up);
    if (down !== undefined) {
      if (dice() < 0.5) await down.start();
      return;
    }
    const [kind, happen] = pick(dice, Object.entries(this.#mischief));
    if (kind.startsWith('controller') && dice() < 0.5) return;
    this.kinds.add(kind);
    await happen(pick(dice, agents));
  }

  /** Repairs all failures and causes no more. */
  async calm(): Promise<void> {
    const { agents, controllers } = this.#world;
    this.#world.weather = { delayMs: 5, jobMs: 5 };
    for (const controller of controllers) if (!controller.up) await controller.start();
    for (const host of agents) {
      host.plane.failing = false;
      host.skewMs = 0;
      if (host.session === null && !host.tornDown) host.start();
    }
  }

  async #restart(end: (controller: TestController) => Promise<void>): Promise<void> {
    const { controllers, dice } = this.#world;
    const controller = pick(dice, controllers);
    await this.#world.drive(end(controller));
    if (dice() < 0.7) await controller.start();
  }

  #freeze(host: TestAgent): void {
    const { wire } = host;
    if (wire === null) return;
    wire.frozen = true;
    this.#world.clock.after(this.#world.dice() * 60_000, () => {
      wire.frozen = false;
    });
  }

  #stopReading(host: TestAgent): void {
    const { wire } = host;
    if (wire === null) return;
    wire.agentReads = false;
    this.#world.clock.after(this.#world.dice() * 60_000, () => {
      wire.agentReads = true;
    });
  }
}

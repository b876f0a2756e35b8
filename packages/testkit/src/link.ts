import type { Namespace } from './netns.ts';

/** `both` directions, or only frames that come `in` from the cable, or only frames that go `out` to it. */
export type LinkDirection = 'both' | 'in' | 'out';

/**
 * One port of a switch or router, at the end of a cable. A cut here leaves the addresses and routes of the host
 * unchanged.
 */
export class Link {
  readonly namespace: Namespace;
  readonly interface: string;
  #filtered = false;

  constructor(namespace: Namespace, name: string) {
    this.namespace = namespace;
    this.interface = name;
  }

  /** Drops this percentage of all frames at random, silently. */
  async loss(percent: number, direction: LinkDirection = 'both'): Promise<void> {
    if (!(percent >= 0 && percent <= 100)) throw new Error(`${percent} percent`);
    const drop = percent === 100 ? 'drop' : `numgen random mod 1000 < ${Math.round(percent * 10)} drop`;
    const chain = (hook: string) =>
      `chain ${hook} { type filter hook ${hook} device "${this.interface}" priority 0\n ${drop}\n }\n`;
    const hooks = [direction !== 'out' ? chain('ingress') : '', direction !== 'in' ? chain('egress') : ''];
    await this.namespace.nft(`${this.#unfilter}table netdev ${this.#table} {\n${hooks.join('')}}\n`);
    this.#filtered = true;
  }

  /** `silently`: frames vanish without a notice. `unplugged`: the other end loses its carrier. */
  async cut(how: 'silently' | 'unplugged' = 'silently'): Promise<void> {
    if (how === 'silently') return this.loss(100);
    await this.namespace.ip('link', 'set', this.interface, 'down');
  }

  /** Restores the link: plugged in, no loss. */
  async restore(): Promise<void> {
    if (this.#filtered) await this.namespace.nft(this.#unfilter);
    this.#filtered = false;
    await this.namespace.ip('link', 'set', this.interface, 'up');
  }

  get #table(): string {
    return `lab_${this.interface.replace(/\W/g, '_')}`;
  }

  get #unfilter(): string {
    return this.#filtered ? `delete table netdev ${this.#table}\n` : '';
  }
}

import type { Namespace } from './netns.ts';

/** `both` ways, or only what comes `in` from the cable, or only what goes `out` to it. */
export type LinkDirection = 'both' | 'in' | 'out';

/**
 * One socket of a switch or router: the end of a cable that the host at the other end does not see. Cut it here, and the
 * host's own addresses and routes stay as they are.
 */
export class Link {
  readonly namespace: Namespace;
  readonly interface: string;
  #filtered = false;

  constructor(namespace: Namespace, name: string) {
    this.namespace = namespace;
    this.interface = name;
  }

  /** Drops this percentage of all frames, at random and without a word. */
  async loss(percent: number, direction: LinkDirection = 'both'): Promise<void> {
    if (!(percent >= 0 && percent <= 100)) throw new Error(`${percent} percent`);
    const drop = percent === 100 ? 'drop' : `numgen random mod 1000 < ${Math.round(percent * 10)} drop`;
    const chain = (hook: string) =>
      `chain ${hook} { type filter hook ${hook} device "${this.interface}" priority 0\n ${drop}\n }\n`;
    const hooks = [direction !== 'out' ? chain('ingress') : '', direction !== 'in' ? chain('egress') : ''];
    await this.namespace.nft(`${this.#unfilter}table netdev ${this.#table} {\n${hooks.join('')}}\n`);
    this.#filtered = true;
  }

  /** `silently`: frames vanish, nobody is told. `unplugged`: the other end loses its carrier. */
  async cut(how: 'silently' | 'unplugged' = 'silently'): Promise<void> {
    if (how === 'silently') return this.loss(100);
    await this.namespace.ip('link', 'set', this.interface, 'down');
  }

  /** As new: plugged in, no loss. */
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

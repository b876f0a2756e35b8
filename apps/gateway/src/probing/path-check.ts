import { type Failure, Mutex } from '@sallyport/agent-runtime';
import type { ProbeItem } from '@sallyport/contract/channel';
import { explainDrop, forwardingFix, type TracedDrop } from '@sallyport/hostnet';
import { nameOf, type PathProbe, questionKey } from './path-probe.ts';
import { probe } from './probes.ts';
import type { TunnelProbe } from './tunnel-probe.ts';

/**
 * What is known of the way from the tunnel to the resources. `pending`: it is being measured. `unknown`: it cannot be
 * measured, because there is nothing to ask or nothing could be sent. Else what is in the way.
 */
export type PathVerdict = 'pending' | 'unknown' | 'passes' | Failure;

export interface PathCheckOptions {
  readonly interface: string;
  readonly probe: TunnelProbe;
  /** Whether what comes from the tunnel leaves with an address of this host; and the overlay, to name it. */
  readonly gateway: () => { readonly masquerade: boolean; readonly overlay: string } | null;
  /** A UDP port that devices may send to at an address; null: none. */
  readonly udpPort: (address: string) => number | null;
  /** The verdict is another one. */
  readonly changed: (verdict: PathVerdict) => void;
}

/** Null: nothing could be sent. */
type Examined = { readonly blocked: readonly ProbeItem[]; readonly failure: Failure | null } | null;

/**
 * Measures whether packets of the tunnel get to the resources and back: at the start, after each change of foreign rules,
 * and at intervals. Something is in the way only if a resource answers this host and not the tunnel.
 */
export class PathCheck {
  readonly #options: PathCheckOptions;
  readonly #mutex = new Mutex();
  #targets: readonly ProbeItem[] = [];
  #text = '';
  #next = 0;
  #blocked: readonly string[] = [];
  #verdict: PathVerdict = 'unknown';
  #timer: NodeJS.Timeout | null = null;
  #running = false;
  #again = false;
  #isSoon = false;
  #stopped = false;

  constructor(options: PathCheckOptions) {
    this.#options = options;
  }

  get verdict(): PathVerdict {
    return this.#verdict;
  }

  /** What there is to ask. Nothing: the way cannot be measured. */
  expect(targets: readonly ProbeItem[]): void {
    const text = JSON.stringify(targets);
    if (text === this.#text) return;
    this.#text = text;
    this.#targets = targets;
    if (targets.length === 0) this.#verdict = 'unknown';
    else if (this.#verdict === 'unknown') this.#verdict = 'pending';
    this.soon();
  }

  /** Something has changed that may stand in the way. */
  soon(): void {
    if (this.#running) this.#again = true;
    // Changes that come one upon the other must not put the round off for ever.
    else if (!this.#isSoon) {
      this.#isSoon = true;
      this.#arm(soonMs);
    }
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  /** Those that answer this host and not the tunnel, with what is in the way of the first. */
  examine(items: readonly ProbeItem[]): Promise<Examined> {
    // There is one peer that probes come from, and it is admitted to one list of targets.
    return this.#mutex.run(() => this.#examine(items));
  }

  async #examine(items: readonly ProbeItem[]): Promise<Examined> {
    const { probe } = this.#options;
    const questions = items.flatMap((item) => [item, ...this.#datagram(item)]);
    const heard = await probe.answered(questions, firstMs);
    if (heard === null) return null;
    const suspects = await answering(questions.filter((one) => !heard.has(questionKey(one))).slice(0, mostSuspects));
    const [suspect] = suspects;
    if (suspect === undefined) return none;
    const drop = await probe.trace(suspect, traceMs);
    if (drop !== null) return { blocked: suspects, failure: await this.#failure(suspect, drop) };
    const heardNow = await probe.answered(suspects, secondMs);
    if (heardNow === null) return null;
    const blocked = await answering(suspects.filter((one) => !heardNow.has(questionKey(one))));
    return blocked[0] === undefined ? none : { blocked, failure: await this.#failure(blocked[0], null) };
  }

  /** The rules of others may tell UDP from the rest. */
  #datagram(item: ProbeItem): PathProbe[] {
    const port = this.#options.udpPort(item.target);
    return port === null ? [] : [{ ...item, port, protocol: 'udp' }];
  }

  #arm(ms: number): void {
    if (this.#stopped) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#round(), ms).unref();
  }

  async #round(): Promise<void> {
    this.#running = true;
    this.#again = false;
    this.#isSoon = false;
    const result = this.#targets.length === 0 ? null : await this.examine(this.#pick()).catch(() => null);
    this.#running = false;
    this.#conclude(result);
    this.#isSoon = this.#again;
    this.#arm(this.#again ? againMs : intervalMs);
  }

  #conclude(result: Examined): void {
    this.#blocked = result?.blocked.map(({ id }) => id) ?? [];
    // A resource that is gone meanwhile says nothing of those that are there.
    if (this.#blocked.length > 0 && !this.#targets.some(({ id }) => this.#blocked.includes(id))) {
      this.#again = true;
      return;
    }
    const verdict = result === null ? 'unknown' : (result.failure ?? 'passes');
    const same = JSON.stringify(verdict) === JSON.stringify(this.#verdict);
    this.#verdict = verdict;
    if (!same && !this.#stopped) this.#options.changed(verdict);
  }

  /** Those that were blocked, and then some of the others, by turns. */
  #pick(): ProbeItem[] {
    const first = this.#targets.filter(({ id }) => this.#blocked.includes(id));
    const count = Math.min(this.#targets.length, mostAtOnce);
    const others = Array.from({ length: count }, (_, i) => this.#targets[(this.#next + i) % this.#targets.length]);
    this.#next = (this.#next + count) % this.#targets.length;
    return [...new Set([...first, ...others])].filter((item) => item !== undefined);
  }

  async #failure(item: PathProbe, drop: TracedDrop | null): Promise<Failure> {
    const { interface: name, gateway } = this.#options;
    const to = nameOf(item);
    // No answer to a datagram is expected, so none tells the host's way from the tunnel's.
    const though = item.protocol === 'udp' ? '' : ', though this host gets an answer';
    if (drop !== null) {
      const { place, fix } = await explainDrop(drop, name);
      const what = drop.of === 'probe' ? `Packets of the tunnel to ${to}` : `Answers of ${to} to the tunnel`;
      const message = `${what} do not get through${though}: ${place}. Let them through: ${fix}`;
      return { code: 'foreign-chain-drops', message };
    }
    const begin =
      item.protocol === 'udp'
        ? `Packets of the tunnel to ${to} do not leave this host, though it has a route`
        : `Packets of the tunnel get no answer from ${to}, though this host does`;
    const forwarding = await forwardingFix(name, item.target);
    if (forwarding !== null) {
      return { code: 'path-blocked', message: `${begin}: forwarding is off. Switch it on: ${forwarding}` };
    }
    const { masquerade = true, overlay = '' } = gateway() ?? {};
    const route = masquerade
      ? ''
      : ` Masquerading is off, so the network of the resource must route ${overlay} to this host.`;
    const message = `${begin}, and no nftables rule is seen to drop them.${route} Look for chains at the ingress and egress hooks of interfaces, rules of the legacy iptables (iptables-legacy -S), policy rules (ip rule) and routes that concern ${name}.`;
    return { code: 'path-blocked', message };
  }
}

const none = { blocked: [], failure: null } as const;

/** Those that answer this host now. */
async function answering(items: readonly PathProbe[]): Promise<PathProbe[]> {
  const results = await Promise.all(items.map((item) => probe(item, hostMs)));
  return items.filter((_, i) => results[i]?.reachable === true);
}

/** Many resources take turns. */
const mostAtOnce = 32;
const mostSuspects = 8;
const soonMs = 100;
const againMs = 500;
const intervalMs = 10_000;
const firstMs = 800;
const traceMs = 1_500;
const secondMs = 2_000;
const hostMs = 3_000;

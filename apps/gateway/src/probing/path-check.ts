import { type Failure, Mutex } from '@sallyport/agent-runtime';
import type { ProbeItem } from '@sallyport/contract/channel';
import { explainDrop, forwardingFix, type TracedDrop } from '@sallyport/hostnet';
import { nameOf, type PathProbe, questionKey } from './path-probe.ts';
import { probe } from './probes.ts';
import type { TunnelProbe } from './tunnel-probe.ts';

/**
 * Verdict on the path from the tunnel to the resources. `pending`: the measurement is running. `unknown`: it cannot be
 * measured, because there is no target or nothing could be sent. Else the obstacle.
 */
export type PathVerdict = 'pending' | 'unknown' | 'passes' | Failure;

/** Dependencies of a PathCheck. */
export interface PathCheckOptions {
  readonly interface: string;
  readonly probe: TunnelProbe;
  /** Whether packets from the tunnel leave with an address of this host; and the overlay, for messages. */
  readonly gateway: () => { readonly masquerade: boolean; readonly overlay: string } | null;
  /** Returns a UDP port that devices may send to at an address; null without one. */
  readonly udpPort: (address: string) => number | null;
  /** Called when the verdict changes. */
  readonly changed: (verdict: PathVerdict) => void;
}

/** Null when nothing could be sent. */
type Examined = { readonly blocked: readonly ProbeItem[]; readonly failure: Failure | null } | null;

/**
 * Measures whether packets of the tunnel reach the resources and return: at start, after each change of foreign rules,
 * and at intervals. An obstacle exists only if a resource answers this host and not the tunnel.
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

  /** Sets the targets. Without targets the path cannot be measured. */
  expect(targets: readonly ProbeItem[]): void {
    const text = JSON.stringify(targets);
    if (text === this.#text) return;
    this.#text = text;
    this.#targets = targets;
    if (targets.length === 0) this.#verdict = 'unknown';
    else if (this.#verdict === 'unknown') this.#verdict = 'pending';
    this.soon();
  }

  /** Reports a change that may block the path. */
  soon(): void {
    if (this.#running) this.#again = true;
    // A series of changes must not delay the round forever.
    else if (!this.#isSoon) {
      this.#isSoon = true;
      this.#arm(soonMs);
    }
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  /** Returns the targets that answer this host and not the tunnel, with the obstacle of the first one. */
  examine(items: readonly ProbeItem[]): Promise<Examined> {
    // One peer sends all probes, and it is admitted to one list of targets.
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

  /** Foreign rules may treat UDP differently. */
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
    // A target that disappeared gives no evidence about the others.
    if (this.#blocked.length > 0 && !this.#targets.some(({ id }) => this.#blocked.includes(id))) {
      this.#again = true;
      return;
    }
    const verdict = result === null ? 'unknown' : (result.failure ?? 'passes');
    const same = JSON.stringify(verdict) === JSON.stringify(this.#verdict);
    this.#verdict = verdict;
    if (!same && !this.#stopped) this.#options.changed(verdict);
  }

  /** Returns blocked targets first, and then some of the others, in turns. */
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
    // A datagram expects no answer, so no answer can compare the host's path with the tunnel's.
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

/** Returns the targets that answer this host now. */
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

import { randomBytes, randomInt } from 'node:crypto';
import type { ProbeTarget, TracedDrop } from '@sallyport/hostnet';
import { privateKeyFrom, publicKeyOf, TunnelPeer } from '@sallyport/wireguard';
import {
  type Answer,
  addressKey,
  type End,
  echoPacket,
  readAnswer,
  resetPacket,
  synPacket,
  udpPacket,
} from './packets.ts';
import { type PathProbe, questionKey } from './path-probe.ts';

/** How probes enter the tunnel. */
export interface ProbeWay {
  /** UDP port and public key of the gateway's WireGuard. */
  readonly port: number;
  readonly publicKey: string;
  /** Source addresses of probes. */
  readonly sources: { readonly v4: string; readonly v6: string };
}

/** Replaces the peer from which probes are sent, and admits it to these targets. Null when not possible now. */
export type AdmitProbes = (publicKey: string, targets: readonly PathProbe[]) => Promise<ProbeWay | null>;

/** Operations of the firewall that probes need. */
export interface ProbeRules {
  /** Returns targets whose datagram passed all rules of this host since their admission. */
  passedProbes(): Promise<readonly ProbeTarget[]>;
  /** Stops recording datagrams of probes. */
  endProbes(): Promise<void>;
  /** Finds the foreign rule that drops the packets of `send`. */
  traceProbes(send: () => void, timeoutMs: number): Promise<TracedDrop | null>;
}

/**
 * Sends probes like a device: through the gateway's own WireGuard, from a peer in this process. Probes meet the same
 * hooks, rules, routes and settings as packets of devices.
 */
export class TunnelProbe {
  readonly #admit: AdmitProbes;
  readonly #rules: ProbeRules;
  #privateKey = newKey();

  constructor(admit: AdmitProbes, rules: ProbeRules) {
    this.#admit = admit;
    this.#rules = rules;
  }

  /**
   * Returns the keys of the probes answered in time; null when nothing could be sent. A datagram counts as answered
   * when it passed all rules of this host, because servers need not answer it.
   */
  async answered(items: readonly PathProbe[], timeoutMs: number): Promise<ReadonlySet<string> | null> {
    const session = await this.#open(items);
    if (session === null) return null;
    try {
      return await session.askAll(items, timeoutMs);
    } finally {
      await this.#end(session, items);
    }
  }

  /** Returns the rule that drops probes to this target; null when none was found or the target answered. */
  async trace(item: PathProbe, timeoutMs: number): Promise<TracedDrop | null> {
    const session = await this.#open([item]);
    if (session === null) return null;
    try {
      const drop = await this.#rules.traceProbes(() => session.ask(item), timeoutMs);
      if (item.protocol === 'udp') await session.lookAtPassed();
      return session.hasAnswer(item) ? null : drop;
    } finally {
      await this.#end(session, [item]);
    }
  }

  async #end(session: Session, items: readonly PathProbe[]): Promise<void> {
    session.close();
    if (items.some(({ protocol }) => protocol === 'udp')) await this.#rules.endProbes();
  }

  async #open(items: readonly PathProbe[]): Promise<Session | null> {
    const way = await this.#admit(publicKeyOf(this.#privateKey), items);
    if (way === null) return null;
    const session = new Session(way.sources, () => this.#rules.passedProbes());
    const peer = await TunnelPeer.open({
      endpoint: { address: '127.0.0.1', port: way.port },
      privateKey: this.#privateKey,
      publicKey: way.publicKey,
      timeoutMs: handshakeMs,
      received: (packet) => session.take(packet),
    });
    // WireGuard accepts no handshake older than the last one of the same key, and the clock may have moved back.
    if (peer === null) this.#privateKey = newKey();
    else session.begin(peer);
    return peer === null ? null : session;
  }
}

const handshakeMs = 2_000;
/** Milliseconds between the attempts of one probe; they double. */
const firstAgainMs = 200;
/** Timeout of a datagram on its path through this host. */
const passMs = 50;

function newKey(): string {
  return privateKeyFrom(randomBytes(32));
}

interface Question {
  readonly item: PathProbe;
  readonly from: End;
  readonly to: End;
  readonly sequence: number;
}

/** Probes sent through one tunnel, and their answers. */
class Session {
  readonly #sources: ProbeWay['sources'];
  readonly #passed: ProbeRules['passedProbes'];
  readonly #questions = new Map<number, Question>();
  readonly #answered = new Set<string>();
  #peer: TunnelPeer | null = null;
  #port = randomInt(20_000, 50_000);
  #news: () => void = () => {};

  constructor(sources: ProbeWay['sources'], passed: ProbeRules['passedProbes']) {
    this.#sources = sources;
    this.#passed = passed;
  }

  begin(peer: TunnelPeer): void {
    this.#peer = peer;
  }

  close(): void {
    this.#peer?.close();
    this.#peer = null;
  }

  hasAnswer(item: PathProbe): boolean {
    return this.#answered.has(questionKey(item));
  }

  /** Records the datagrams that passed. */
  async lookAtPassed(): Promise<void> {
    const passed = await this.#passed().catch(() => []);
    const keys = new Set(passed.map(({ address, port }) => `${addressKey(address)} ${port}`));
    for (const { item, to } of this.#questions.values()) {
      if (item.protocol === 'udp' && keys.has(`${addressKey(to.address)} ${to.port}`))
        this.#answered.add(questionKey(item));
    }
    this.#news();
  }

  /** Repeats each probe like a device, until an answer or the timeout. */
  async askAll(items: readonly PathProbe[], timeoutMs: number): Promise<ReadonlySet<string>> {
    const questions = items.map((item) => this.#question(item));
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#news = () => {
      if (items.every((item) => this.hasAnswer(item))) resolve();
    };
    this.#news();
    let waitMs = firstAgainMs;
    let timer: NodeJS.Timeout;
    const turn = (): void => {
      const open = questions.filter(({ item }) => !this.hasAnswer(item));
      for (const question of open) this.#send(question);
      if (open.some(({ item }) => item.protocol === 'udp')) setTimeout(() => void this.lookAtPassed(), passMs);
      timer = setTimeout(turn, waitMs);
      waitMs *= 2;
    };
    turn();
    const end = setTimeout(resolve, timeoutMs);
    await promise;
    clearTimeout(end);
    // biome-ignore lint/style/noNonNullAssertion: the first turn has set it.
    clearTimeout(timer!);
    return this.#answered;
  }

  /** Uses a separate flow. */
  ask(item: PathProbe): void {
    this.#send(this.#question(item));
  }

  take(packet: Buffer): void {
    const answer = readAnswer(packet);
    const question = answer === null ? undefined : this.#questions.get(answer.to);
    if (answer === null || question === undefined || answer.from !== addressKey(question.to.address)) return;
    if (!fits(answer, question)) return;
    this.#answered.add(questionKey(question.item));
    // A half-open connection would occupy the target.
    if (answer.kind === 'tcp-open') this.#peer?.send(resetPacket(question.from, question.to, answer.sequence));
    this.#news();
  }

  #question(item: PathProbe): Question {
    this.#port += 1;
    const address = this.#sources[item.target.includes(':') ? 'v6' : 'v4'];
    const from = { address, port: this.#port };
    const to = { address: item.target, port: item.port ?? 0 };
    const question = { item, from, to, sequence: randomBytes(4).readUInt32BE() };
    this.#questions.set(from.port, question);
    return question;
  }

  #send({ item, from, to, sequence }: Question): void {
    if (item.protocol === 'udp') this.#peer?.send(udpPacket(from, to));
    else this.#peer?.send(item.port === null ? echoPacket(from, to.address) : synPacket(from, to, sequence));
  }
}

/** A rule on the path may refuse a port, so only an open port is an answer. */
function fits(answer: Answer, { item, sequence }: Question): boolean {
  if (item.protocol === 'udp') return false;
  if (item.port === null) return answer.kind === 'echo-reply';
  return answer.kind === 'tcp-open' && answer.sequence === (sequence + 1) >>> 0;
}

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

/** How probes get into the tunnel. */
export interface ProbeWay {
  /** UDP port and public key of the gateway's WireGuard. */
  readonly port: number;
  readonly publicKey: string;
  /** Addresses that probes come from. */
  readonly sources: { readonly v4: string; readonly v6: string };
}

/** Makes the peer that probes come from, in place of the one before, and admits it to these targets. Null: not possible now. */
export type AdmitProbes = (publicKey: string, targets: readonly PathProbe[]) => Promise<ProbeWay | null>;

/** What probes need of the firewall. */
export interface ProbeRules {
  /** Targets of which a datagram came to the end of the way through this host since they were admitted. */
  passedProbes(): Promise<readonly ProbeTarget[]>;
  /** Datagrams of probes are noted no longer. */
  endProbes(): Promise<void>;
  /** Finds the foreign rule that drops what `send` sends. */
  traceProbes(send: () => void, timeoutMs: number): Promise<TracedDrop | null>;
}

/**
 * Sends probes as a device would: through the gateway's own WireGuard, from a peer in this process. They meet the same
 * hooks, rules, routes and settings as the packets of devices.
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
   * Keys of the questions that were answered in time; null: nothing could be sent. A datagram counts as answered when it came
   * through all rules of this host, because servers need not answer one.
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

  /** The rule that drops probes to this target; null: none was found, or the target answered. */
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
    // WireGuard takes no handshake of a key that is older than the one before, and the clock may have gone back.
    if (peer === null) this.#privateKey = newKey();
    else session.begin(peer);
    return peer === null ? null : session;
  }
}

const handshakeMs = 2_000;
/** Milliseconds between the tries of one question; they double. */
const firstAgainMs = 200;
/** Until a datagram has come through this host. */
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

/** Questions that were sent through one tunnel, and what came back. */
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

  /** Notes the datagrams that came through. */
  async lookAtPassed(): Promise<void> {
    const passed = await this.#passed().catch(() => []);
    const keys = new Set(passed.map(({ address, port }) => `${addressKey(address)} ${port}`));
    for (const { item, to } of this.#questions.values()) {
      if (item.protocol === 'udp' && keys.has(`${addressKey(to.address)} ${to.port}`))
        this.#answered.add(questionKey(item));
    }
    this.#news();
  }

  /** Each question is asked again and again, as a device would, until it is answered or the time is over. */
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

  /** As a flow of its own. */
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

/** That a port is closed may be said by a rule on the way, so only an open one is an answer. */
function fits(answer: Answer, { item, sequence }: Question): boolean {
  if (item.protocol === 'udp') return false;
  if (item.port === null) return answer.kind === 'echo-reply';
  return answer.kind === 'tcp-open' && answer.sequence === (sequence + 1) >>> 0;
}

import { randomBytes, randomInt } from 'node:crypto';
import type { ProbeItem } from '@sallyport/contract/channel';
import type { TracedDrop } from '@sallyport/hostnet';
import { privateKeyFrom, publicKeyOf, TunnelPeer } from '@sallyport/wireguard';
import { type Answer, addressKey, type End, echoPacket, readAnswer, resetPacket, synPacket } from './packets.ts';

/** How probes get into the tunnel. */
export interface ProbeWay {
  /** UDP port and public key of the gateway's WireGuard. */
  readonly port: number;
  readonly publicKey: string;
  /** Addresses that probes come from. */
  readonly sources: { readonly v4: string; readonly v6: string };
}

/** What probes need of the data plane. */
export interface ProbePlane {
  /** Makes the peer that probes come from, in place of the one before, and admits it to these targets. Null: not possible now. */
  admitProbes(publicKey: string, targets: readonly ProbeItem[]): Promise<ProbeWay | null>;
  /** Finds the foreign rule that drops what `send` sends. */
  traceProbes(send: () => void, timeoutMs: number): Promise<TracedDrop | null>;
}

/**
 * Sends probes as a device would: through the gateway's own WireGuard, from a peer in this process. They meet the same
 * hooks, rules, routes and settings as the packets of devices.
 */
export class TunnelProbe {
  readonly #plane: ProbePlane;
  #privateKey = newKey();

  constructor(plane: ProbePlane) {
    this.#plane = plane;
  }

  /** Ids of the targets that answered in time; null: nothing could be sent. */
  async answered(items: readonly ProbeItem[], timeoutMs: number): Promise<ReadonlySet<string> | null> {
    const session = await this.#open(items);
    if (session === null) return null;
    try {
      return await session.askAll(items, timeoutMs);
    } finally {
      session.close();
    }
  }

  /** The rule that drops probes to this target; null: none was found, or the target answered. */
  async trace(item: ProbeItem, timeoutMs: number): Promise<TracedDrop | null> {
    const session = await this.#open([item]);
    if (session === null) return null;
    try {
      const drop = await this.#plane.traceProbes(() => session.ask(item), timeoutMs);
      return session.hasAnswer(item.id) ? null : drop;
    } finally {
      session.close();
    }
  }

  async #open(items: readonly ProbeItem[]): Promise<Session | null> {
    const way = await this.#plane.admitProbes(publicKeyOf(this.#privateKey), items);
    if (way === null) return null;
    const session = new Session(way.sources);
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

function newKey(): string {
  return privateKeyFrom(randomBytes(32));
}

interface Question {
  readonly item: ProbeItem;
  readonly from: End;
  readonly to: End;
  readonly sequence: number;
}

/** Questions that were sent through one tunnel, and what came back. */
class Session {
  readonly #sources: ProbeWay['sources'];
  readonly #questions = new Map<number, Question>();
  readonly #answered = new Set<string>();
  #peer: TunnelPeer | null = null;
  #port = randomInt(20_000, 50_000);
  #news: () => void = () => {};

  constructor(sources: ProbeWay['sources']) {
    this.#sources = sources;
  }

  begin(peer: TunnelPeer): void {
    this.#peer = peer;
  }

  close(): void {
    this.#peer?.close();
    this.#peer = null;
  }

  hasAnswer(id: string): boolean {
    return this.#answered.has(id);
  }

  /** Each question is asked again and again, as a device would, until it is answered or the time is over. */
  async askAll(items: readonly ProbeItem[], timeoutMs: number): Promise<ReadonlySet<string>> {
    const questions = items.map((item) => this.#question(item));
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#news = () => {
      if (items.every(({ id }) => this.#answered.has(id))) resolve();
    };
    this.#news();
    let waitMs = firstAgainMs;
    let timer: NodeJS.Timeout;
    const turn = (): void => {
      for (const question of questions) if (!this.#answered.has(question.item.id)) this.#send(question);
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
  ask(item: ProbeItem): void {
    this.#send(this.#question(item));
  }

  take(packet: Buffer): void {
    const answer = readAnswer(packet);
    const question = answer === null ? undefined : this.#questions.get(answer.to);
    if (answer === null || question === undefined || answer.from !== addressKey(question.to.address)) return;
    if (!fits(answer, question)) return;
    this.#answered.add(question.item.id);
    // A half-open connection would occupy the target.
    if (answer.kind === 'tcp-open') this.#peer?.send(resetPacket(question.from, question.to, answer.sequence));
    this.#news();
  }

  #question(item: ProbeItem): Question {
    this.#port += 1;
    const address = this.#sources[item.target.includes(':') ? 'v6' : 'v4'];
    const from = { address, port: this.#port };
    const to = { address: item.target, port: item.port ?? 0 };
    const question = { item, from, to, sequence: randomBytes(4).readUInt32BE() };
    this.#questions.set(from.port, question);
    return question;
  }

  #send({ item, from, to, sequence }: Question): void {
    this.#peer?.send(item.port === null ? echoPacket(from, to.address) : synPacket(from, to, sequence));
  }
}

/** That a port is closed may be said by a rule on the way, so only an open one is an answer. */
function fits(answer: Answer, { item, sequence }: Question): boolean {
  if (item.port === null) return answer.kind === 'echo-reply';
  return answer.kind === 'tcp-open' && answer.sequence === (sequence + 1) >>> 0;
}

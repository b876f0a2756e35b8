import {
  AgentMessage,
  type AgentRole,
  type ControllerMessage,
  channelProtocol,
  type KeyExchange,
  keyExchange,
  type Revision,
  type SealedChannel,
  type SignedStatement,
  StateHash,
  type StateItem,
  type Succession,
  statementText,
  successionText,
  transcriptText,
} from '@sallyport/contract/channel';
import type { Frame } from '../session/types.ts';
import { type TestKey, testKey } from './keys.ts';

/**
 * A controller of one agent for tests, without IO. It follows the protocol. `receive` takes the frames of the newest
 * connection and returns the answers. `say` turns answers into frames, in order.
 */
export class ScriptedController {
  key: TestKey;
  successions: Succession[] = [];
  readonly gateway: string;
  readonly items = new Map<string, StateItem>();
  readonly heard: AgentMessage[] = [];
  /** Role that the controller expects. Null: the role that the agent claims. */
  role: AgentRole | null = null;
  leaseMs = 60_000;
  heartbeatMs = 10_000;
  revision: Revision = { epoch: 'e1', number: 1 };
  /** Answer instead of a welcome. */
  refusal: Extract<ControllerMessage, { type: 'refused' }> | null = null;
  /** Pinned identity. Without one, the controller requires the token. */
  identity: string | null = null;
  token: string | null = null;
  /** All signed statements, by text. */
  readonly signed = new Set<string>();
  #hello: Extract<AgentMessage, { type: 'hello' }> | null = null;
  #exchange: KeyExchange = keyExchange('controller', new Uint8Array(32));
  #exchanges = 0;
  #channel: SealedChannel | null = null;
  readonly #nonce = Buffer.alloc(32, 7).toString('base64');

  constructor(gateway: string, key: TestKey = testKey()) {
    this.gateway = gateway;
    this.key = key;
  }

  /** Replaces the key, as a controller does. */
  replaceKey(next: TestKey = testKey()): TestKey {
    const before = this.key;
    this.successions.push(succeed(before, next));
    this.key = next;
    return before;
  }

  get hash(): string {
    return StateHash.of(this.items.values()).toString();
  }

  /** Throws if the agent violates the protocol. */
  receive(frame: Frame, now: number): ControllerMessage[] {
    const message = AgentMessage.parse(JSON.parse(this.#plain(frame)));
    this.heard.push(message);
    switch (message.type) {
      case 'hello':
        this.#hello = message;
        return [this.#challenge(message)];
      case 'authenticate':
        return this.#admit(message, now);
      case 'need-snapshot':
        return [this.snapshot(now)];
      default:
        return [];
    }
  }

  /** Returns the next frame to the agent, sealed if the channel is. Text stays unchanged. */
  say(message: ControllerMessage | string): Frame {
    const text = typeof message === 'string' ? message : JSON.stringify(message);
    const early = typeof message !== 'string' && message.type === 'challenge';
    return this.#channel === null || early ? text : this.#channel.seal(text);
  }

  snapshot(now: number): Extract<ControllerMessage, { type: 'snapshot' }> {
    return { type: 'snapshot', items: [...this.items.values()], signed: this.sign(now) };
  }

  lease(now: number): Extract<ControllerMessage, { type: 'lease' }> {
    return { type: 'lease', signed: this.sign(now) };
  }

  /** Changes the items in one new revision and returns the message. */
  change(
    upserts: readonly StateItem[],
    removes: readonly string[],
    now: number,
  ): Extract<ControllerMessage, { type: 'delta' }> {
    const from = this.hash;
    for (const key of removes) this.items.delete(key);
    for (const item of upserts) this.items.set(item.key, item);
    this.revision = { ...this.revision, number: this.revision.number + 1 };
    return { type: 'delta', from, upserts: [...upserts], removes: [...removes], signed: this.sign(now) };
  }

  sign(now: number): SignedStatement {
    const { gateway: agent, revision, hash } = this;
    const statement = { agent, revision, hash, issuedAt: now, leaseUntil: now + this.leaseMs };
    const text = statementText(statement);
    this.signed.add(text);
    return { statement, signature: this.key.sign(text) };
  }

  /** Only `hello` is unencrypted. It starts a connection. */
  #plain(frame: Frame): string {
    if (typeof frame === 'string') {
      this.#channel = null;
      return frame;
    }
    const text = this.#channel?.open(frame) ?? null;
    if (text === null) throw new Error('the agent sent a frame that is not sealed for this connection');
    return text;
  }

  #challenge(hello: Extract<AgentMessage, { type: 'hello' }>): ControllerMessage {
    this.#exchanges += 1;
    this.#exchange = keyExchange('controller', Buffer.alloc(32, `scripted ${this.#exchanges}`));
    const transcript = this.#transcript(hello);
    this.#channel = this.#exchange.agree(hello.ephemeral, transcript);
    const signature = this.key.sign(transcriptText('controller', transcript));
    const { publicKey: controllerKey } = this.key;
    const { publicKey: ephemeral } = this.#exchange;
    const { successions } = this;
    return {
      ...{ type: 'challenge', protocol: channelProtocol, nonce: this.#nonce, ephemeral, controllerKey, signature },
      ...(successions.length === 0 ? {} : { successions }),
    };
  }

  #admit(message: Extract<AgentMessage, { type: 'authenticate' }>, now: number): ControllerMessage[] {
    if (this.refusal !== null) return [this.refusal];
    const hello = this.#hello;
    if (hello === null) return [refused('bad-message')];
    const text = transcriptText('agent', this.#transcript(hello));
    if (!this.key.verify(hello.identityKey, text, message.signature)) return [refused('bad-signature')];
    if (!this.#exchange.proves(message.wireguardPublicKey, message.wireguardProof, this.#transcript(hello)))
      return [refused('bad-possession')];
    if (this.identity === null) {
      if (message.token !== this.token) return [refused('bad-token')];
      this.identity = hello.identityKey;
    }
    if (this.identity !== hello.identityKey) return [refused('bad-identity')];
    const welcome = { type: 'welcome', now, heartbeatMs: this.heartbeatMs, name: 'test' } as const;
    // The hash is not enough, because it excludes time limits.
    const { epoch, number } = this.revision;
    const { revision, hash } = message.state ?? {};
    const same = hash === this.hash && revision?.epoch === epoch && revision.number === number;
    return [welcome, same ? this.lease(now) : this.snapshot(now)];
  }

  #transcript({ role, nonce, ephemeral, identityKey }: Extract<AgentMessage, { type: 'hello' }>) {
    const { gateway: agent } = this;
    const controllerKey = this.key.publicKey;
    return {
      protocol: channelProtocol,
      role: this.role ?? role,
      agent,
      agentNonce: nonce,
      controllerNonce: this.#nonce,
      identityKey,
      controllerKey,
      agentEphemeral: ephemeral,
      controllerEphemeral: this.#exchange.publicKey,
    };
  }
}

/** Returns the statement that one key takes the place of another. */
export function succeed(before: TestKey, next: Pick<TestKey, 'publicKey'>): Succession {
  const pair = { from: before.publicKey, to: next.publicKey };
  return { ...pair, signature: before.sign(successionText(pair)) };
}

function refused(code: Extract<ControllerMessage, { type: 'refused' }>['code']): ControllerMessage {
  return { type: 'refused', code, message: `refused: ${code}`, final: true };
}

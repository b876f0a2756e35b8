import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  type AgentMessage,
  type AgentRole,
  ControllerMessage,
  channelPath,
  channelProtocol,
  keyExchange,
  provePossession,
  type Revision,
  type SealedChannel,
  type SignedStatement,
  StateHash,
  type StateItem,
  statementText,
  transcriptText,
} from '@sallyport/contract/channel';
import { privateKeyFrom, publicKeyOf } from '@sallyport/wireguard';
import { type RawData, WebSocket } from 'ws';
import { verifyText } from '../keys.ts';
import { newSigner, type Signer } from './agent-keys.ts';
import { until } from './manual-time.ts';

/** A message of the controller by its type. */
export type Received<T extends ControllerMessage['type']> = Extract<ControllerMessage, { type: T }>;

type Authenticate = Extract<AgentMessage, { type: 'authenticate' }>;
type Hello = Extract<AgentMessage, { type: 'hello' }>;

/** The part of an agent that outlives a connection: its keys and its state. */
export interface AgentIdentity {
  readonly role: AgentRole;
  /** Id of the gateway or device. */
  readonly agent: string;
  readonly signer: Signer;
  readonly wireguardPrivateKey: string;
  readonly wireguardPublicKey: string;
  readonly token?: string;
}

/** The same agent with another WireGuard key. */
export function withNewKey(identity: AgentIdentity): AgentIdentity {
  const { wireguardPrivateKey, wireguardPublicKey } = newAgent(identity.agent);
  return { ...identity, wireguardPrivateKey, wireguardPublicKey };
}

/** Returns an agent with new keys. */
export function newAgent(agent: string, token?: string, role: AgentRole = 'gateway'): AgentIdentity {
  const wireguardPrivateKey = privateKeyFrom(randomBytes(32));
  const wireguardPublicKey = publicKeyOf(wireguardPrivateKey);
  const keys = { signer: newSigner(), wireguardPrivateKey, wireguardPublicKey };
  return { role, agent, ...keys, ...(token === undefined ? {} : { token }) };
}

/** A real WebSocket peer that sends what a test asks for, and checks everything that it receives. */
export class ScriptedAgent {
  readonly identity: AgentIdentity;
  readonly ws: WebSocket;
  readonly received: ControllerMessage[] = [];
  readonly items = new Map<string, StateItem>();
  state: { revision: Revision; hash: string } | undefined;
  leaseUntil = 0;
  closeCode: number | null = null;
  /** All bytes of the wire in both directions, unchanged. */
  readonly wire: Buffer[] = [];
  #channel: SealedChannel | null = null;
  #read = 0;
  #controllerKey = '';
  /** Proof for the agent's WireGuard key, once it has greeted. */
  possession = '';

  private constructor(identity: AgentIdentity, ws: WebSocket) {
    this.identity = identity;
    this.ws = ws;
    ws.on('message', (data: RawData, binary) =>
      this.#take(ControllerMessage.parse(this.#plain(data as Buffer, binary))),
    );
    ws.on('close', (code) => {
      this.closeCode = code;
    });
    ws.on('error', () => {});
  }

  /** Uses a WebSocket that the caller opens. */
  static over(ws: WebSocket, identity: AgentIdentity): ScriptedAgent {
    return new ScriptedAgent(identity, ws);
  }

  /** Opens the WebSocket and sends nothing yet. */
  static async open(
    port: number,
    identity: AgentIdentity,
    headers: Record<string, string> = {},
    localAddress = '127.0.0.1',
  ): Promise<ScriptedAgent> {
    const ws = new WebSocket(`ws://127.0.0.1:${port}${channelPath}`, { headers, localAddress });
    const agent = new ScriptedAgent(identity, ws);
    await once(ws, 'open');
    return agent;
  }

  /** Opens, shakes hands, and waits for the first state. `from` is whose state it goes on with. */
  static async connect(
    port: number,
    identity: AgentIdentity,
    from?: ScriptedAgent,
    localAddress?: string,
  ): Promise<ScriptedAgent> {
    const agent = await ScriptedAgent.open(port, identity, {}, localAddress);
    if (from?.state !== undefined) {
      agent.state = from.state;
      for (const [key, item] of from.items) agent.items.set(key, item);
    }
    await agent.authenticate();
    const first = await agent.next();
    if (first.type !== 'welcome') throw new Error(`no welcome but ${JSON.stringify(first)}`);
    await until(() => agent.received.length > agent.#read || agent.closeCode !== null, 'first state');
    return agent;
  }

  async authenticate(change: Partial<Authenticate> = {}, said: Partial<Hello> = {}): Promise<void> {
    const { token, wireguardPublicKey } = this.identity;
    const signature = await this.greet(said);
    this.send({
      type: 'authenticate',
      signature,
      ...(token === undefined ? {} : { token }),
      wireguardPublicKey,
      wireguardProof: this.possession,
      host: { hostname: 'host', os: 'Debian 13', kernel: '6.12', wireguard: 'memory' },
      ...(this.state === undefined ? {} : { state: this.state }),
      ...change,
    });
  }

  /** Says hello, seals the connection on the challenge, and returns the signature that proves the agent. */
  async greet(change: Partial<Hello> = {}): Promise<string> {
    const nonce = randomBytes(32).toString('base64');
    const { role, agent, signer } = this.identity;
    const exchange = keyExchange('agent', randomBytes(32));
    const keys = { nonce, ephemeral: exchange.publicKey, identityKey: signer.publicKey };
    const hello = {
      type: 'hello',
      protocol: channelProtocol,
      role,
      agent,
      ...keys,
      agentVersion: '0.1.0',
      ...change,
    } as const;
    this.send(hello);
    const challenge = await this.expect('challenge');
    const transcript = {
      protocol: hello.protocol,
      role: hello.role,
      agent: hello.agent,
      agentNonce: hello.nonce,
      controllerNonce: challenge.nonce,
      identityKey: hello.identityKey,
      controllerKey: challenge.controllerKey,
      agentEphemeral: hello.ephemeral,
      controllerEphemeral: challenge.ephemeral,
    };
    if (!verifyText(challenge.controllerKey, transcriptText('controller', transcript), challenge.signature)) {
      throw new Error('the controller did not prove itself');
    }
    this.#channel = exchange.agree(challenge.ephemeral, transcript);
    this.possession = provePossession(this.identity.wireguardPrivateKey, challenge.ephemeral, transcript) ?? '';
    return signer.sign(transcriptText('agent', transcript));
  }

  send(message: AgentMessage): void {
    this.sendText(JSON.stringify(message));
  }

  /** Sends any text, sealed once the connection is. */
  sendText(text: string): void {
    this.sendFrame(this.#channel === null ? text : this.#channel.seal(text));
  }

  /** Sends bytes unchanged. */
  sendFrame(frame: string | Uint8Array): void {
    this.wire.push(Buffer.from(frame));
    this.ws.send(frame);
  }

  /** Returns the next frame without sending it, for a test to damage. */
  seal(message: AgentMessage): Uint8Array {
    if (this.#channel === null) throw new Error('not sealed yet');
    return this.#channel.seal(JSON.stringify(message));
  }

  /** Acknowledges its state. */
  apply(): void {
    if (this.state !== undefined) this.send({ type: 'applied', ...this.state, tookMs: 3 });
  }

  beat(sentAt: number, change: Partial<Extract<AgentMessage, { type: 'heartbeat' }>> = {}): void {
    const { revision = null, hash = null } = this.state ?? {};
    const nothing = { peers: [], policies: [], dropped: {}, probes: [], paths: [], relays: [], safeToStop: false };
    this.send({ type: 'heartbeat', sentAt, revision, hash, ...nothing, ...change });
  }

  /** The next message, in order. */
  async next(): Promise<ControllerMessage> {
    await until(() => this.received.length > this.#read || this.closeCode !== null, 'a message to the agent');
    const message = this.received[this.#read++];
    if (message === undefined) throw new Error(`closed with ${this.closeCode} instead of a message`);
    return message;
  }

  /** The next message, which must be of this type. */
  async expect<T extends ControllerMessage['type']>(type: T): Promise<Received<T>> {
    const message = await this.next();
    if (message.type !== type) throw new Error(`expected ${type}, got ${JSON.stringify(message).slice(0, 300)}`);
    return message as Received<T>;
  }

  async closed(): Promise<number> {
    await until(() => this.closeCode !== null, 'the connection to close');
    return this.closeCode ?? 0;
  }

  /** Drops the connection without a close frame. */
  async cut(): Promise<void> {
    this.ws.terminate();
    await this.closed();
  }

  #plain(data: Buffer, binary: boolean): unknown {
    this.wire.push(data);
    if (!binary && this.#channel !== null) throw new Error('the controller said something in the clear');
    const text = binary ? this.#channel?.open(data) : data.toString();
    if (text == null) throw new Error('a frame of the controller cannot be opened');
    return JSON.parse(text);
  }

  #take(message: ControllerMessage): void {
    if (message.type === 'challenge') this.#controllerKey = message.controllerKey;
    else if (message.type === 'snapshot') {
      this.items.clear();
      for (const item of message.items) this.items.set(item.key, item);
      this.#adopt(message.signed);
    } else if (message.type === 'delta') {
      if (message.from !== this.state?.hash) throw new Error('the delta does not start from the state of the agent');
      for (const key of message.removes) this.items.delete(key);
      for (const item of message.upserts) this.items.set(item.key, item);
      this.#adopt(message.signed);
    } else if (message.type === 'lease') this.#adopt(message.signed);
    this.received.push(message);
  }

  #adopt({ statement, signature }: SignedStatement): void {
    if (!verifyText(this.#controllerKey, statementText(statement), signature))
      throw new Error('bad statement signature');
    if (statement.agent !== this.identity.agent) throw new Error('a statement about another agent');
    if (StateHash.of(this.items.values()).toString() !== statement.hash) throw new Error('items do not give the hash');
    this.state = { revision: statement.revision, hash: statement.hash };
    this.leaseUntil = statement.leaseUntil;
  }
}

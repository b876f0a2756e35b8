import { generateKeyPairSync, type KeyObject, randomBytes, randomInt, sign, verify } from 'node:crypto';
import {
  type AgentMessage,
  type AgentRole,
  type ControllerMessage,
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
  type Transcript,
  transcriptText,
} from '@sallyport/contract/channel';
import { privateKeyFrom, publicKeyOf } from '@sallyport/wireguard';
import { WebSocket } from 'ws';

/** An agent of the fleet: who it is, and what it does with its connection. */
export interface SimulatedAgentSettings {
  readonly role: AgentRole;
  /** Id of the gateway or device. */
  readonly agent: string;
  readonly token: string;
  /** Base URL of the controller, `ws://host:port`. */
  readonly url: string;
  /** Loopback address to connect from. */
  readonly localAddress: string;
  /**
   * Whether it keeps its items, and checks every signature and hash. Otherwise it checks that deltas follow one another:
   * the items of 10,000 devices would take gigabytes.
   */
  readonly strict: boolean;
}

/** Counts what a fleet of agents receives. */
export interface FleetLog {
  /** A frame has come. `at`: epoch milliseconds with fractions. */
  received(agent: SimulatedAgent, message: ControllerMessage, at: number): void;
  /** The agent found the controller at fault. */
  fault(agent: SimulatedAgent, text: string): void;
}

type Challenge = Extract<ControllerMessage, { type: 'challenge' }>;

/**
 * An agent without a host. It speaks the real protocol over a real WebSocket, holds its state, acknowledges it at once,
 * and comes back with the back-off of the real agents.
 */
export class SimulatedAgent {
  readonly settings: SimulatedAgentSettings;
  readonly items = new Map<string, StateItem>();
  live = false;
  /** Has acknowledged a state on this connection. */
  acknowledged = false;
  state: { readonly revision: Revision; readonly hash: string } | null = null;
  readonly #log: FleetLog;
  readonly #identity = generateKeyPairSync('ed25519');
  readonly #identityKey = rawKey(this.#identity.publicKey);
  readonly #wireguardKey = privateKeyFrom(randomBytes(32));
  #enrolled = false;
  #ws: WebSocket | null = null;
  #channel: SealedChannel | null = null;
  #exchange = keyExchange('agent', randomBytes(32));
  #nonce = '';
  #controllerKey = '';
  #attempts = 0;
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;

  constructor(settings: SimulatedAgentSettings, log: FleetLog) {
    this.settings = settings;
    this.#log = log;
  }

  /** Connects, and comes back after each loss until `stop`. */
  connect(): void {
    if (this.#stopped) return;
    const { url, localAddress } = this.settings;
    const ws = new WebSocket(`${url}${channelPath}`, { localAddress, perMessageDeflate: false });
    this.#ws = ws;
    ws.on('open', () => this.#greet());
    ws.on('message', (data: Buffer, binary) => this.#take(data, binary));
    ws.on('error', () => {});
    ws.on('close', () => this.#lost());
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#ws?.terminate();
  }

  #lost(): void {
    this.live = this.acknowledged = false;
    this.#channel = null;
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#stopped) return;
    const whole = Math.min(15_000, 500 * 2 ** Math.min(this.#attempts++, 5));
    this.#timer = setTimeout(() => this.connect(), whole / 2 + (whole / 2) * part());
  }

  #greet(): void {
    this.#nonce = randomBytes(32).toString('base64');
    this.#exchange = keyExchange('agent', randomBytes(32));
    const { role, agent } = this.settings;
    const keys = { nonce: this.#nonce, ephemeral: this.#exchange.publicKey, identityKey: this.#identityKey };
    this.#send({ type: 'hello', protocol: channelProtocol, role, agent, ...keys, agentVersion: '0.1.0' });
  }

  #send(message: AgentMessage): void {
    const text = JSON.stringify(message);
    this.#ws?.send(this.#channel === null ? text : this.#channel.seal(text));
  }

  #take(data: Buffer, binary: boolean): void {
    const at = performance.timeOrigin + performance.now();
    const text = binary ? this.#channel?.open(data) : data.toString();
    if (text == null) {
      this.#fault('sent a frame that cannot be opened');
      return;
    }
    const message = JSON.parse(text) as ControllerMessage;
    this.#handle(message);
    this.#log.received(this, message, at);
  }

  #handle(message: ControllerMessage): void {
    switch (message.type) {
      case 'challenge':
        this.#authenticate(message);
        break;
      case 'welcome':
        this.live = this.#enrolled = true;
        this.#attempts = 0;
        this.#beatEvery(message.heartbeatMs);
        break;
      case 'snapshot':
        this.items.clear();
        this.#keep(message.items);
        this.#adopt(message.signed);
        break;
      case 'delta':
        if (message.from !== this.state?.hash) this.#fault('sent a delta that starts from another state');
        for (const key of message.removes) this.items.delete(key);
        this.#keep(message.upserts);
        this.#adopt(message.signed);
        break;
      case 'lease':
        this.#adopt(message.signed);
        break;
      case 'refused':
        if (message.code !== 'busy') this.#fault(`refused: ${message.code}`);
        break;
    }
  }

  #keep(items: readonly StateItem[]): void {
    if (this.settings.strict) for (const item of items) this.items.set(item.key, item);
  }

  #authenticate(challenge: Challenge): void {
    const { role, agent, token, strict } = this.settings;
    const transcript: Transcript = {
      protocol: channelProtocol,
      role,
      agent,
      agentNonce: this.#nonce,
      controllerNonce: challenge.nonce,
      identityKey: this.#identityKey,
      controllerKey: challenge.controllerKey,
      agentEphemeral: this.#exchange.publicKey,
      controllerEphemeral: challenge.ephemeral,
    };
    this.#controllerKey = challenge.controllerKey;
    if (strict && !this.#isSigned(transcriptText('controller', transcript), challenge.signature))
      this.#fault('did not prove itself');
    this.#channel = this.#exchange.agree(challenge.ephemeral, transcript);
    const text = transcriptText('agent', transcript);
    this.#send({
      type: 'authenticate',
      signature: sign(null, Buffer.from(text), this.#identity.privateKey).toString('base64'),
      ...(this.#enrolled ? {} : { token }),
      wireguardPublicKey: publicKeyOf(this.#wireguardKey),
      wireguardProof: provePossession(this.#wireguardKey, challenge.ephemeral, transcript) ?? '',
      host: { hostname: 'host', os: 'Debian 13', kernel: '6.12', wireguard: 'memory' },
      ...(this.state === null ? {} : { state: this.state }),
    });
  }

  #adopt({ statement, signature }: SignedStatement): void {
    const { strict, agent } = this.settings;
    if (statement.agent !== agent) this.#fault('sent a statement about another agent');
    if (strict && !this.#isSigned(statementText(statement), signature)) this.#fault('sent a wrong signature');
    if (strict && StateHash.of(this.items.values()).toString() !== statement.hash)
      this.#fault('sent items that do not give the hash');
    const { revision, hash } = statement;
    const changed = this.state?.hash !== hash || !this.acknowledged;
    this.state = { revision, hash };
    if (!changed) return;
    this.acknowledged = true;
    this.#send({ type: 'applied', revision, hash, tookMs: 1 });
  }

  #beatEvery(ms: number): void {
    const beat = () => {
      const { revision = null, hash = null } = this.state ?? {};
      const nothing = { peers: [], policies: [], dropped: {}, probes: [], paths: [], relays: [], safeToStop: false };
      this.#ws?.ping();
      this.#send({ type: 'heartbeat', sentAt: Date.now(), revision, hash, ...nothing });
      this.#timer = setTimeout(beat, ms);
    };
    // The first heartbeat of a real agent follows at once; here they are spread from the beginning.
    this.#timer = setTimeout(beat, ms * part());
  }

  #isSigned(text: string, signature: string): boolean {
    const der = Buffer.concat([spkiPrefix, Buffer.from(this.#controllerKey, 'base64')]);
    const key = { key: der, format: 'der', type: 'spki' } as const;
    return verify(null, Buffer.from(text), key, Buffer.from(signature, 'base64'));
  }

  #fault(text: string): void {
    this.#log.fault(this, text);
  }
}

/** SPKI prefix of an Ed25519 key (RFC 8410 section 4). The key bytes follow it. */
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');

const rawKey = (key: KeyObject): string => key.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64');

/** Returns a random number from 0 to below 1. */
const part = (): number => randomInt(1_000_000) / 1_000_000;

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  type AgentMessage,
  type ControllerMessage,
  emptyStateHash,
  type KeyExchange,
  keyExchange,
} from '@sallyport/contract/channel';
import { AgentSession } from '../session/session.ts';
import type { Effect, Frame, Input, SessionConfig, Work } from '../session/types.ts';
import { ScriptedController } from './controller.ts';
import { gatewayItem } from './items.ts';
import { testKey, testWireguardKey } from './keys.ts';

const gateway = '5b8e7f60-1111-4222-8333-444455556666';
/** Start of the simulated time, epoch milliseconds. */
export const benchStart = Date.UTC(2026, 0, 1);
const host = { hostname: 'h', os: 'linux', kernel: '6.1', wireguard: 'memory' } as const;
/** Enrolment token of the agent. */
export const benchToken = 'sgw_secret';

/** A session and a controller, driven by the test. It records every effect. */
export class Bench {
  readonly controller = new ScriptedController(gateway);
  readonly identity = testKey();
  readonly wireguard = testWireguardKey();
  now = benchStart;
  /** Lead of the controller's clock over `now`. */
  aheadMs = 0;
  session: AgentSession;
  effects: Effect[] = [];
  connection = 0;

  constructor(over: Partial<SessionConfig> = {}) {
    this.controller.token = benchToken;
    this.controller.items.set('gateway', gatewayItem());
    this.session = new AgentSession(this.config(over));
  }

  config(over: Partial<SessionConfig> = {}): SessionConfig {
    return {
      role: 'gateway',
      agent: gateway,
      identityKey: this.identity.publicKey,
      wireguardPublicKey: this.wireguard.publicKey,
      controllerKey: null,
      enrolled: false,
      token: { text: benchToken, controllerFingerprint: this.identity.fingerprint(this.controller.key.publicKey) },
      agentVersion: '0',
      host,
      crypto: { ...this.identity, provePossession: this.wireguard.provePossession },
      ...over,
    };
  }

  input(input: Input): Effect[] {
    const effects = this.session.handle(input, { now: this.now, random: 0.5 });
    this.effects.push(...effects);
    for (const effect of effects) {
      if (effect.kind === 'connect') this.connection = effect.connection;
      if (effect.kind !== 'clock') continue;
      this.now += effect.shiftMs;
      this.aheadMs -= effect.shiftMs;
    }
    return effects;
  }

  /** Sends a message from the controller, sealed if the channel is. */
  from(message: ControllerMessage | string): Effect[] {
    return this.frame(this.controller.say(message));
  }

  /** Sends a frame from the network. */
  frame(frame: Frame): Effect[] {
    return this.input({ kind: 'message', connection: this.connection, frame });
  }

  /** Delivers frames in both directions until both sides are silent. */
  converse(effects: Effect[]): Effect[] {
    const seen = [...effects];
    const sent = effects.flatMap((effect) => (effect.kind === 'send' ? [effect.frame] : []));
    for (const frame of sent) {
      for (const answer of this.controller.receive(frame, this.now + this.aheadMs))
        seen.push(...this.converse(this.from(answer)));
    }
    return seen;
  }

  start(stored: string | null = null): Effect[] {
    return this.input({ kind: 'start', stored });
  }

  /** Opens the socket, so that the agent sends hello. */
  opened(exchange: KeyExchange = keyExchange('agent', randomBytes(32))): Effect[] {
    const nonce = Buffer.alloc(32, 3).toString('base64');
    return this.input({ kind: 'opened', connection: this.connection, nonce, exchange });
  }

  open(): Effect[] {
    return this.converse(this.opened());
  }

  /** Loses the connection, waits for the next try, and lets it succeed. */
  reconnect(): Effect[] {
    this.input({ kind: 'closed', connection: this.connection, reason: 'test' });
    while (this.session.phase !== 'connecting') {
      this.now = Math.max(this.now, this.session.nextDeadline()?.at ?? Infinity);
      this.input({ kind: 'tick' });
    }
    return this.open();
  }

  /** Starts and enrols the agent, and applies the first state. */
  deployed(): this {
    this.start();
    this.finish();
    this.open();
    this.finish();
    return this;
  }

  /** Reports the running job as done. */
  finish(hash?: string): Effect[] {
    const job = this.effects.findLast((effect) => effect.kind === 'apply');
    assert.ok(job);
    const desired = this.session.desired.statement?.hash ?? emptyStateHash;
    return this.input({ kind: 'applied', job: job.job, hash: hash ?? desired, tookMs: 1, mended: [] });
  }

  work(effects: readonly Effect[]): Work | undefined {
    return effects.find((effect) => effect.kind === 'apply')?.work;
  }

  sent(effects: readonly Effect[]): AgentMessage[] {
    return effects.flatMap((effect) => (effect.kind === 'send' ? [effect.message] : []));
  }
}

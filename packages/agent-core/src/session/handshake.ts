import {
  type AgentMessage,
  type ControllerMessage,
  channelProtocol,
  type KeyExchange,
  type SealedChannel,
  type Transcript,
  transcriptText,
} from '@sallyport/contract/channel';
import type { AppliedState, SessionConfig } from './types.ts';

/** Message in which the controller proves its identity. */
export type Challenge = Extract<ControllerMessage, { type: 'challenge' }>;

/** What the agent believes of the controller so far. */
export interface Trust {
  /** Key pinned at enrolment; null before. */
  readonly controllerKey: string | null;
  /** Whether the controller knows our identity key. */
  readonly enrolled: boolean;
  /** Whether the token goes along although we are enrolled: this controller has refused us without it. */
  readonly offersToken: boolean;
}

/** What the agent has brought to this connection, for it alone. */
export interface Opening {
  readonly nonce: string;
  readonly exchange: KeyExchange;
}

/** The first message of a connection, in the clear. */
export function helloOf(config: SessionConfig, { nonce, exchange }: Opening): AgentMessage {
  const { role, agent, identityKey, agentVersion } = config;
  const keys = { nonce, ephemeral: exchange.publicKey, identityKey };
  return { type: 'hello', protocol: channelProtocol, role, agent, ...keys, agentVersion };
}

/** Result of a challenge: the proof to send, or why the controller is not believed. */
export type Answer =
  | {
      readonly kind: 'authenticate';
      readonly controllerKey: string;
      readonly channel: SealedChannel;
      /** To be sealed like all that follows. */
      readonly message: AgentMessage;
    }
  | { readonly kind: 'distrust'; readonly reason: string };

/**
 * Checks that the controller is the right one and that it holds its key, and only then proves who we are. The token goes
 * to nobody else: before enrolment its fingerprint says which key is right, afterwards the pinned key does, and the
 * token goes along only when that controller has lost the enrolment, as an older database has.
 */
export function answerChallenge(
  config: SessionConfig,
  trust: Trust,
  opening: Opening,
  challenge: Challenge,
  applied: AppliedState | null,
): Answer {
  const transcript = transcriptOf(config, opening, challenge);
  const reason = distrust(config, trust, transcript, challenge);
  if (reason !== null) return { kind: 'distrust', reason };
  const channel = opening.exchange.agree(challenge.ephemeral, transcript);
  if (channel === null) return { kind: 'distrust', reason: keepsNoSecret };
  const { token, wireguardPublicKey, host, crypto } = config;
  const wireguardProof = crypto.provePossession(challenge.ephemeral, transcript);
  if (wireguardProof === null) return { kind: 'distrust', reason: keepsNoSecret };
  return {
    kind: 'authenticate',
    controllerKey: challenge.controllerKey,
    channel,
    message: {
      type: 'authenticate',
      signature: crypto.sign(transcriptText('agent', transcript)),
      ...((trust.enrolled && !trust.offersToken) || token === null ? {} : { token: token.text }),
      wireguardPublicKey,
      wireguardProof,
      host,
      ...(applied === null ? {} : { state: applied }),
    },
  };
}

const keepsNoSecret = 'the controller sent a key that keeps no secret';

function distrust(config: SessionConfig, trust: Trust, transcript: Transcript, challenge: Challenge): string | null {
  const { controllerKey, protocol, signature } = challenge;
  if (protocol !== channelProtocol) {
    return `the controller speaks protocol ${protocol}, this agent ${channelProtocol}: bring both to the same version`;
  }
  if (trust.enrolled) {
    if (controllerKey !== trust.controllerKey) return 'this is not the controller that this agent was enrolled with';
  } else if (config.token === null) {
    return 'the agent is not enrolled and has no token';
  } else if (config.crypto.fingerprint(controllerKey) !== config.token.controllerFingerprint) {
    return 'this is not the controller that made the token';
  }
  return config.crypto.verify(controllerKey, transcriptText('controller', transcript), signature)
    ? null
    : 'the controller did not prove that it holds its key';
}

function transcriptOf(config: SessionConfig, { nonce, exchange }: Opening, challenge: Challenge): Transcript {
  return {
    protocol: challenge.protocol,
    role: config.role,
    agent: config.agent,
    agentNonce: nonce,
    controllerNonce: challenge.nonce,
    identityKey: config.identityKey,
    controllerKey: challenge.controllerKey,
    agentEphemeral: exchange.publicKey,
    controllerEphemeral: challenge.ephemeral,
  };
}

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

/** What the agent knows about the controller. */
export interface Trust {
  /** Key pinned at enrolment. Null before. */
  readonly controllerKey: string | null;
  /** Whether the controller knows our identity key. */
  readonly enrolled: boolean;
  /** Whether an enrolled agent sends its token, because this controller refused it without the token. */
  readonly offersToken: boolean;
}

/** Values that the agent created for this connection. */
export interface Opening {
  readonly nonce: string;
  readonly exchange: KeyExchange;
}

/** Returns the first message of a connection, which is not encrypted. */
export function helloOf(config: SessionConfig, { nonce, exchange }: Opening): AgentMessage {
  const { role, agent, identityKey, agentVersion } = config;
  const keys = { nonce, ephemeral: exchange.publicKey, identityKey };
  return { type: 'hello', protocol: channelProtocol, role, agent, ...keys, agentVersion };
}

/** Result of a challenge: the proof to send, or the reason for rejection. */
export type Answer =
  | {
      readonly kind: 'authenticate';
      readonly controllerKey: string;
      readonly channel: SealedChannel;
      /** Must be sealed, like every later message. */
      readonly message: AgentMessage;
    }
  | { readonly kind: 'distrust'; readonly reason: string };

/**
 * Verifies the controller's identity and proof of its key, then proves the identity of the agent. Only that controller
 * receives the token. Before enrolment, the token's fingerprint identifies the key. Afterwards the pinned key does. An
 * enrolled agent sends the token only if the controller lost the enrolment, for example with an older database.
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
  const { token, wireguardPublicKey, host, upgrades, crypto } = config;
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
      ...(upgrades && { upgrades }),
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

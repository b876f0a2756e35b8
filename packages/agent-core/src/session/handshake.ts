import {
  type AgentMessage,
  type ControllerMessage,
  channelProtocol,
  type KeyExchange,
  type SealedChannel,
  type Transcript,
  transcriptText,
  trustedOrigin,
} from '@sallyport/contract/channel';
import type { AppliedState, Effect, SessionConfig } from './types.ts';

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
export type Answer = Proven | { readonly kind: 'distrust'; readonly reason: string };

/** The controller has proven its key. */
export interface Proven {
  readonly kind: 'authenticate';
  readonly controllerKey: string;
  /** Trusted key that the controller has replaced by this one; null: it is the trusted key. */
  readonly succeeds: string | null;
  readonly channel: SealedChannel;
  /** Must be sealed, like every later message. */
  readonly message: AgentMessage;
}

/**
 * Verifies the controller's identity and proof of its key, then proves the identity of the agent. Only that controller
 * receives the token. Before enrolment, the token's fingerprint identifies the key. Afterwards the pinned key does. A key
 * that signed statements lead to from there is as good. An
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
  const origin = originOf(config, trust, challenge);
  const reason = distrust(config, trust, transcript, challenge, origin);
  if (reason !== null) return { kind: 'distrust', reason };
  const channel = opening.exchange.agree(challenge.ephemeral, transcript);
  if (channel === null) return { kind: 'distrust', reason: keepsNoSecret };
  const { token, wireguardPublicKey, host, upgrades, crypto } = config;
  const wireguardProof = crypto.provePossession(challenge.ephemeral, transcript);
  if (wireguardProof === null) return { kind: 'distrust', reason: keepsNoSecret };
  return {
    kind: 'authenticate',
    controllerKey: challenge.controllerKey,
    succeeds: origin === challenge.controllerKey ? null : origin,
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

/** Returns what pins the proven key: at enrolment, and when it takes the place of the pinned one. Otherwise null. */
export function pinOf(
  { controllerKey, succeeds }: Pick<Proven, 'controllerKey' | 'succeeds'>,
  enrolled: boolean,
): Extract<Effect, { kind: 'pin' }> | null {
  if (!enrolled) return { kind: 'pin', controllerKey };
  return succeeds === null ? null : { kind: 'pin', controllerKey, succeeds };
}

const keepsNoSecret = 'the controller sent a key that keeps no secret';

/** Returns the trusted key that the controller's key is, or takes the place of; null: there is none. */
function originOf({ crypto, token }: SessionConfig, trust: Trust, challenge: Challenge): string | null {
  const { controllerKey, successions = [] } = challenge;
  const isTrusted = (key: string): boolean =>
    trust.enrolled ? key === trust.controllerKey : crypto.fingerprint(key) === token?.controllerFingerprint;
  if (isTrusted(controllerKey)) return controllerKey;
  return trustedOrigin(successions, controllerKey, isTrusted, (...signed) => crypto.verify(...signed));
}

function distrust(
  config: SessionConfig,
  trust: Trust,
  transcript: Transcript,
  challenge: Challenge,
  origin: string | null,
): string | null {
  const { controllerKey, protocol, signature } = challenge;
  if (protocol !== channelProtocol) {
    return `the controller speaks protocol ${protocol}, this agent ${channelProtocol}: bring both to the same version`;
  }
  if (!trust.enrolled && config.token === null) return 'the agent is not enrolled and has no token';
  if (origin === null) {
    return trust.enrolled
      ? 'this is not the controller that this agent was enrolled with'
      : 'this is not the controller that made the token';
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

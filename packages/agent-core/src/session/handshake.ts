import {
  type AgentMessage,
  type ControllerMessage,
  channelProtocol,
  transcriptText,
} from '@sallyport/contract/channel';
import type { AppliedState, SessionConfig } from './types.ts';

export type Challenge = Extract<ControllerMessage, { type: 'challenge' }>;

/** What the agent believes of the controller so far. */
export interface Trust {
  /** Key pinned at enrolment; null before. */
  readonly controllerKey: string | null;
  /** Whether the controller knows our identity key. */
  readonly enrolled: boolean;
}

export type Answer =
  | { readonly kind: 'authenticate'; readonly controllerKey: string; readonly message: AgentMessage }
  | { readonly kind: 'distrust'; readonly reason: string };

/**
 * Checks that the controller is the right one and that it holds its key, and only then proves who we are. The token goes
 * to nobody else: before enrolment its fingerprint says which key is right, afterwards the pinned key does and the token stays home.
 */
export function answerChallenge(
  config: SessionConfig,
  trust: Trust,
  nonce: string,
  challenge: Challenge,
  applied: AppliedState | null,
): Answer {
  const reason = distrust(config, trust, nonce, challenge);
  if (reason !== null) return { kind: 'distrust', reason };
  const { token, wireguardPublicKey, host, crypto } = config;
  return {
    kind: 'authenticate',
    controllerKey: challenge.controllerKey,
    message: {
      type: 'authenticate',
      signature: crypto.sign(transcript('agent', config, nonce, challenge)),
      ...(trust.enrolled || token === null ? {} : { token: token.text }),
      wireguardPublicKey,
      host,
      ...(applied === null ? {} : { state: applied }),
    },
  };
}

function distrust(config: SessionConfig, trust: Trust, nonce: string, challenge: Challenge): string | null {
  const { controllerKey, protocol, signature } = challenge;
  if (protocol !== channelProtocol) {
    return `the controller speaks protocol ${protocol}, this agent ${channelProtocol}: bring both to the same version`;
  }
  if (trust.enrolled) {
    if (controllerKey !== trust.controllerKey) return 'this is not the controller that the gateway was enrolled with';
  } else if (config.token === null) {
    return 'the gateway is not enrolled and has no token';
  } else if (config.crypto.fingerprint(controllerKey) !== config.token.controllerFingerprint) {
    return 'this is not the controller that made the token';
  }
  return config.crypto.verify(controllerKey, transcript('controller', config, nonce, challenge), signature)
    ? null
    : 'the controller did not prove that it holds its key';
}

function transcript(side: 'agent' | 'controller', config: SessionConfig, nonce: string, challenge: Challenge): string {
  return transcriptText(side, {
    protocol: challenge.protocol,
    gateway: config.gateway,
    agentNonce: nonce,
    controllerNonce: challenge.nonce,
    identityKey: config.identityKey,
    controllerKey: challenge.controllerKey,
  });
}

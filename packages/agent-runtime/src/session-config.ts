import type { SessionConfig } from '@sallyport/agent-core';
import { type AgentRole, parseEnrolmentToken } from '@sallyport/contract/channel';
import { publicKeyOf } from '@sallyport/wireguard';
import { identityCrypto } from './crypto.ts';
import type { Identity } from './state/identity.ts';

/** Identity of an agent towards the controller. `token`: its text, while enrolment may need it. */
export function sessionConfigOf(
  role: AgentRole,
  identity: Identity,
  token: string | null,
  agentVersion: string,
): Omit<SessionConfig, 'host'> {
  const crypto = identityCrypto(identity.identityPrivateKey, identity.wireguardPrivateKey);
  const parsed = token === null ? null : parseEnrolmentToken(token, role);
  return {
    role,
    agent: identity.agent,
    identityKey: crypto.publicKey,
    wireguardPublicKey: publicKeyOf(identity.wireguardPrivateKey),
    controllerKey: identity.controllerKey,
    ...(identity.earlierControllerKey === undefined ? {} : { earlierControllerKey: identity.earlierControllerKey }),
    enrolled: identity.enrolledWith !== null,
    token:
      token === null || parsed === null ? null : { text: token, controllerFingerprint: parsed.controllerFingerprint },
    agentVersion,
    crypto,
  };
}

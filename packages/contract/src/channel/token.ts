import type { AgentRole } from './messages.ts';

/**
 * Tokens that enrol an agent: `sgw_` for a gateway, `sdk_` for a device, then its id (32 hex digits) + `_` + 256 random bits
 * (43 base64url) + `_` + fingerprint of the controller's Ed25519 key (SHA-256, first 16 bytes, 22 base64url). Only the random
 * part is a secret.
 */
export interface EnrolmentToken {
  readonly role: AgentRole;
  /** Id of the gateway, or the one that the device will have. */
  readonly agent: string;
  readonly secret: string;
  readonly controllerFingerprint: string;
}

const form = /^(sgw|sdk)_([0-9a-f]{32})_([A-Za-z0-9_-]{43})_([A-Za-z0-9_-]{22})$/;
const prefixes = { gateway: 'sgw', device: 'sdk' } as const;

/** Parts of a token, or null when it is not one of this role. */
export function parseEnrolmentToken(text: string, role: AgentRole): EnrolmentToken | null {
  const match = form.exec(text.trim());
  const [, prefix, hex = '', secret = '', controllerFingerprint = ''] = match ?? [];
  if (prefix !== prefixes[role]) return null;
  const agent = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  return { role, agent, secret, controllerFingerprint };
}

/** Returns the text of an enrolment token. It is a secret. */
export function formatEnrolmentToken({ role, agent, secret, controllerFingerprint }: EnrolmentToken): string {
  return `${prefixes[role]}_${agent.replaceAll('-', '')}_${secret}_${controllerFingerprint}`;
}

/** What callers without the right to deploy see. */
export function maskEnrolmentToken(text: string): string {
  return `${text.slice(0, 36)}_…`;
}

import type { AgentRole } from './messages.ts';

/**
 * Token that enrols an agent. Its parts: `sgw_` for a gateway or `sdk_` for a device, the id (32 hex digits), `_`, 256 random
 * bits (43 base64url), `_`, and the fingerprint of the controller's Ed25519 key (first 16 bytes of SHA-256, 22 base64url).
 * Only the random part is secret.
 */
export interface EnrolmentToken {
  readonly role: AgentRole;
  /** Id of the gateway or the future device. */
  readonly agent: string;
  readonly secret: string;
  readonly controllerFingerprint: string;
}

const form = /^(sgw|sdk)_([0-9a-f]{32})_([A-Za-z0-9_-]{43})_([A-Za-z0-9_-]{22})$/;
const prefixes = { gateway: 'sgw', device: 'sdk' } as const;

/** Returns the parts of a token, or null if it is not a token of this role. */
export function parseEnrolmentToken(text: string, role: AgentRole): EnrolmentToken | null {
  const match = form.exec(text.trim());
  const [, prefix, hex = '', secret = '', controllerFingerprint = ''] = match ?? [];
  if (prefix !== prefixes[role]) return null;
  const agent = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  return { role, agent, secret, controllerFingerprint };
}

/** Returns the text of an enrolment token. The text is secret. */
export function formatEnrolmentToken({ role, agent, secret, controllerFingerprint }: EnrolmentToken): string {
  return `${prefixes[role]}_${agent.replaceAll('-', '')}_${secret}_${controllerFingerprint}`;
}

/** Returns a masked token for callers without the right to deploy. */
export function maskEnrolmentToken(text: string): string {
  return `${text.slice(0, 36)}_…`;
}

/**
 * Gateway tokens: `sgw_` + gateway id (32 hex digits) + `_` + 256 random bits (43 base64url) + `_` + fingerprint of
 * the controller's Ed25519 key (SHA-256, first 16 bytes, 22 base64url). Only the random part is a secret.
 */
export interface GatewayToken {
  readonly gateway: string;
  readonly secret: string;
  readonly controllerFingerprint: string;
}

const form = /^sgw_([0-9a-f]{32})_([A-Za-z0-9_-]{43})_([A-Za-z0-9_-]{22})$/;

/** Parts of a token, or null when it is not one. */
export function parseGatewayToken(text: string): GatewayToken | null {
  const match = form.exec(text.trim());
  if (match === null) return null;
  const [, hex = '', secret = '', controllerFingerprint = ''] = match;
  const gateway = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  return { gateway, secret, controllerFingerprint };
}

export function formatGatewayToken(token: GatewayToken): string {
  return `sgw_${token.gateway.replaceAll('-', '')}_${token.secret}_${token.controllerFingerprint}`;
}

/** What callers without the right to deploy see. */
export function maskGatewayToken(text: string): string {
  return `${text.slice(0, 36)}_…`;
}

import { createHash, randomBytes } from 'node:crypto';
import { parseEnrolmentToken } from '@sallyport/contract/channel';
import { privateKeyFrom } from '@sallyport/wireguard';
import { GatewayError, UsageError } from '../failure.ts';
import type { StateDirectory } from './directory.ts';

/** Who this gateway is. Made on this host; the private halves never leave it. */
export interface Identity {
  readonly gateway: string;
  /** Ed25519 private key (32 bytes, base64). */
  readonly identityPrivateKey: string;
  readonly wireguardPrivateKey: string;
  /** Key of the controller that enrolled us, base64; null before. */
  readonly controllerKey: string | null;
  /** SHA-256 of the token that enrolled this identity, hexadecimal; null: not enrolled. */
  readonly enrolledWith: string | null;
}

/** Null when there is none. Throws GatewayError when it is damaged. */
export async function readIdentity(directory: StateDirectory): Promise<Identity | null> {
  const text = await directory.read('identity.json');
  if (text === null) return null;
  const identity = parseIdentity(text);
  if (identity === null) {
    const message = `${directory.path}/identity.json is damaged: restore it, or remove it and re-key the gateway`;
    throw new GatewayError('state-dir', message);
  }
  return identity;
}

export function writeIdentity(directory: StateDirectory, identity: Identity): Promise<void> {
  return directory.write('identity.json', `${JSON.stringify({ version: 1, ...identity })}\n`);
}

/**
 * The identity to run with, made or renewed where the token asks for it: a token that did not enrol the present identity
 * comes from a re-key, which takes a new identity; the WireGuard key stays, so that devices need no new configuration.
 *
 * `token` is null when none was given. Throws UsageError when the gateway cannot be told.
 */
export function chooseIdentity(known: Identity | null, token: string | null, stateDir: string): Identity {
  if (token === null) {
    if (known?.enrolledWith != null) return known;
    throw new UsageError(
      'the gateway is not enrolled yet: give its token with --token-file, SALLYPORT_TOKEN_FILE or SALLYPORT_TOKEN',
    );
  }
  const parsed = parseEnrolmentToken(token, 'gateway');
  if (parsed === null)
    throw new UsageError('this is not a gateway token: it starts with sgw_ and is one line; copy it whole');
  if (known === null) return newIdentity(parsed.gateway);
  if (known.gateway !== parsed.gateway) {
    throw new UsageError(
      `${stateDir} belongs to gateway ${known.gateway}, the token to ${parsed.gateway}: use another --state-dir (and --interface), or remove the directory after "sally gateway down" if the old gateway is gone`,
    );
  }
  if (known.enrolledWith === null || known.enrolledWith === tokenHash(token)) return known;
  return { ...known, identityPrivateKey: randomBytes(32).toString('base64'), enrolledWith: null };
}

export function tokenHash(token: string): string {
  return createHash('sha256').update(token.trim()).digest('hex');
}

function newIdentity(gateway: string): Identity {
  return {
    gateway,
    identityPrivateKey: randomBytes(32).toString('base64'),
    wireguardPrivateKey: privateKeyFrom(randomBytes(32)),
    controllerKey: null,
    enrolledWith: null,
  };
}

function parseIdentity(text: string): Identity | null {
  try {
    const { version, gateway, identityPrivateKey, wireguardPrivateKey, controllerKey, enrolledWith } = JSON.parse(text);
    const whole =
      version === 1 &&
      /^[0-9a-f-]{36}$/.test(gateway) &&
      isKey(identityPrivateKey) &&
      isKey(wireguardPrivateKey) &&
      (controllerKey === null || isKey(controllerKey)) &&
      (enrolledWith === null || /^[0-9a-f]{64}$/.test(enrolledWith));
    return whole ? { gateway, identityPrivateKey, wireguardPrivateKey, controllerKey, enrolledWith } : null;
  } catch {
    return null;
  }
}

function isKey(value: unknown): value is string {
  return typeof value === 'string' && Buffer.from(value, 'base64').length === 32;
}

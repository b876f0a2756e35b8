import { createHash, randomBytes } from 'node:crypto';
import { type AgentRole, parseEnrolmentToken } from '@sallyport/contract/channel';
import { privateKeyFrom } from '@sallyport/wireguard';
import { AgentError, UsageError } from '../failure.ts';
import type { StateDirectory } from './directory.ts';

/** Identity of this gateway or device. The keys are created on this host, and private keys never leave it. */
export interface Identity {
  /** Id of the gateway or device. */
  readonly agent: string;
  /** Ed25519 private key (32 bytes, base64). */
  readonly identityPrivateKey: string;
  readonly wireguardPrivateKey: string;
  /** Key of the controller that enrolled us, base64; null before. */
  readonly controllerKey: string | null;
  /** Key of the controller before it, which may have signed the stored state. Left out: it had none. */
  readonly earlierControllerKey?: string;
  /** SHA-256 of the token that enrolled this identity, hexadecimal; null: not enrolled. */
  readonly enrolledWith: string | null;
}

/** Reads the identity; null: none exists. Throws AgentError if it is damaged. */
export async function readIdentity(directory: StateDirectory): Promise<Identity | null> {
  const text = await directory.read('identity.json');
  if (text === null) return null;
  const identity = parseIdentity(text);
  if (identity === null) {
    const message = `${directory.path}/identity.json is damaged: restore it, or remove it and enrol anew`;
    throw new AgentError('state-dir', message);
  }
  return identity;
}

/** Writes the identity to disk. Throws `StateWriteError` when the disk refuses it. */
export function writeIdentity(directory: StateDirectory, identity: Identity): Promise<void> {
  return directory.write('identity.json', `${JSON.stringify({ version: 1, ...identity })}\n`);
}

/** Messages about the enrolment of a role. */
interface Words {
  /** Message if neither an identity nor a token exists. */
  readonly missing: string;
  readonly malformed: string;
  readonly foreign: (stateDir: string, known: string, given: string) => string;
}

const words: Readonly<Record<AgentRole, Words>> = {
  gateway: {
    missing:
      'the gateway is not enrolled yet: give its token with --token-file, SALLYPORT_TOKEN_FILE or SALLYPORT_TOKEN',
    malformed: 'this is not a gateway token: it starts with sgw_ and is one line; copy it whole',
    foreign: (stateDir, known, given) =>
      `${stateDir} belongs to gateway ${known}, the token to ${given}: use another --state-dir (and --interface), or remove the directory after "sally gateway down" if the old gateway is gone`,
  },
  device: {
    missing:
      'this device is not enrolled yet: give an enrolment key with --enrolment-key-file, SALLYPORT_ENROLMENT_KEY_FILE or SALLYPORT_ENROLMENT_KEY',
    malformed: 'this is not an enrolment key: it starts with sdk_ and is one line; copy it whole',
    foreign: (stateDir) =>
      `this device is enrolled already (${stateDir}): leave the enrolment key out, or run "sally down --forget" first`,
  },
};

/**
 * Returns the identity to run with. Creates or renews it if the token requires that: a different token of the same agent
 * comes from a re-key, which needs a new identity. The WireGuard key stays, so that peers need no new configuration.
 *
 * `token` is null when none was given. Throws UsageError when the agent cannot be told.
 */
export function chooseIdentity(
  role: AgentRole,
  known: Identity | null,
  token: string | null,
  stateDir: string,
): Identity {
  if (token === null) {
    if (known?.enrolledWith != null) return known;
    throw new UsageError(words[role].missing);
  }
  const parsed = parseEnrolmentToken(token, role);
  if (parsed === null) throw new UsageError(words[role].malformed);
  if (known === null) return newIdentity(parsed.agent);
  if (known.agent !== parsed.agent) {
    if (role === 'device' && known.enrolledWith === null) return newIdentity(parsed.agent);
    throw new UsageError(words[role].foreign(stateDir, known.agent, parsed.agent));
  }
  if (known.enrolledWith === null || known.enrolledWith === tokenHash(token)) return known;
  return { ...known, identityPrivateKey: randomBytes(32).toString('base64'), enrolledWith: null };
}

/** Returns the stored hash of the token that enrolled an agent. */
export function tokenHash(token: string): string {
  return createHash('sha256').update(token.trim()).digest('hex');
}

function newIdentity(agent: string): Identity {
  return {
    agent,
    identityPrivateKey: randomBytes(32).toString('base64'),
    wireguardPrivateKey: privateKeyFrom(randomBytes(32)),
    controllerKey: null,
    enrolledWith: null,
  };
}

function parseIdentity(text: string): Identity | null {
  try {
    const { version, ...stored } = JSON.parse(text);
    const { agent, identityPrivateKey, wireguardPrivateKey, controllerKey, enrolledWith } = stored;
    const { earlierControllerKey } = stored;
    const whole =
      version === 1 &&
      /^[0-9a-f-]{36}$/.test(agent) &&
      isKey(identityPrivateKey) &&
      isKey(wireguardPrivateKey) &&
      (controllerKey === null || isKey(controllerKey)) &&
      (enrolledWith === null || /^[0-9a-f]{64}$/.test(enrolledWith));
    if (!whole) return null;
    const earlier = isKey(earlierControllerKey) ? { earlierControllerKey } : {};
    return { agent, identityPrivateKey, wireguardPrivateKey, controllerKey, ...earlier, enrolledWith };
  } catch {
    return null;
  }
}

function isKey(value: unknown): value is string {
  return typeof value === 'string' && Buffer.from(value, 'base64').length === 32;
}

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { Secret, TOTP } from 'otpauth';

/** Seconds that a code is good for (RFC 6238, 5.2). One step before and after is taken too, for clocks that are wrong. */
const period = 30;

/** Makes a secret for an authenticator app: 160 bits in base 32, and the address that a QR code of it holds. */
export function newTotp(tenant: string, account: string): { readonly secret: string; readonly url: string } {
  const secret = new Secret({ size: 20 });
  const totp = new TOTP({ issuer: `Sallyport ${tenant}`, label: account, secret, period });
  return { secret: secret.base32, url: totp.toString() };
}

/** Returns the step of a code that is good now and later than `lastStep`, or null. A step is accepted once. */
export function acceptedStep(secret: string, code: string, now: number, lastStep: number): number | null {
  const totp = new TOTP({ secret: Secret.fromBase32(secret), period });
  const delta = totp.validate({ token: digitsOf(code), timestamp: now, window: 1 });
  if (delta === null) return null;
  const step = Math.floor(now / 1000 / period) + delta;
  return step > lastStep ? step : null;
}

/** Binds a sealed TOTP secret to its user. */
export const totpPurpose = (user: string): string => `totp ${user}`;

const digitsOf = (code: string): string => code.replaceAll(/[\s-]/g, '');

/** How many recovery codes a person gets. */
const recoveryCodes = 10;

/** Makes recovery codes of 80 random bits, as people type them: `k7wq-2mzn-xc4d-p9th`. */
export const newRecoveryCodes = (): string[] => Array.from({ length: recoveryCodes }, newRecoveryCode);

function newRecoveryCode(): string {
  const signs = [...randomBytes(16)].map((byte) => codeAlphabet[byte % codeAlphabet.length] ?? '');
  return [0, 4, 8, 12].map((at) => signs.slice(at, at + 4).join('')).join('-');
}

/** 32 signs that differ clearly. Each byte gives five bits without a bias. */
const codeAlphabet = 'abcdefghijkmnpqrstuvwxyz23456789';

/** SHA-256 is enough for codes of 80 random bits. */
export const recoveryHash = (code: string): string =>
  createHash('sha256').update(code.toLowerCase().replaceAll(/[\s-]/g, '')).digest('hex');

/** Returns the hashes without that of the code, or null when the code is none of them. */
export function withoutCode(hashes: readonly string[], code: string): string[] | null {
  const given = Buffer.from(recoveryHash(code));
  const left = hashes.filter((hash) => !timingSafeEqual(Buffer.from(hash), given));
  return left.length === hashes.length ? null : left;
}

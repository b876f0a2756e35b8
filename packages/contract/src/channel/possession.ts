import { createHash, hkdfSync, timingSafeEqual } from 'node:crypto';
import { type Transcript, transcriptText } from './messages.ts';
import { privateKeyObject, publicText, sharedSecret } from './x25519.ts';

/**
 * Proof that an agent holds the private half of its WireGuard key. Both sides compute X25519 between that key and the
 * controller's one-time key, then HKDF-SHA256 over the transcript and the WireGuard public key. The proof is valid for
 * one connection. It reveals no WireGuard keys, because WireGuard derives them with other functions and inputs.
 */
export function provePossession(
  wireguardPrivateKey: string,
  controllerEphemeral: string,
  transcript: Transcript,
): string | null {
  const privateKey = privateKeyObject(Buffer.from(wireguardPrivateKey, 'base64'));
  const shared = sharedSecret(privateKey, controllerEphemeral);
  return shared === null ? null : proofText(shared, publicText(privateKey), transcript);
}

/** Returns the proof, 32 bytes in base64. Erases `shared`. */
export function proofText(shared: Buffer, wireguardPublicKey: string, transcript: Transcript): string {
  const salt = createHash('sha256').update(transcriptText('possession', transcript)).digest();
  const proof = hkdfSync('sha256', shared, salt, `sallyport-channel possession ${wireguardPublicKey}`, 32);
  shared.fill(0);
  return Buffer.from(proof).toString('base64');
}

/** Compares proofs in constant time. */
export function sameProof(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a, 'base64'), Buffer.from(b, 'base64')];
  return left.length === right.length && timingSafeEqual(left, right);
}

import type { Transcript } from '@sallyport/contract/channel';

/** Ed25519, X25519 and hashes as pure functions, injected. Keys and signatures are base64 of the raw bytes. */
export interface AgentCrypto {
  /** Signature of the agent's identity key over the text (UTF-8). Deterministic (RFC 8032). */
  sign(text: string): string;
  /** Returns whether the signature is valid. Returns false for malformed keys; never throws. */
  verify(publicKey: string, text: string, signature: string): boolean;
  /** Returns the first 16 bytes of the SHA-256 of the raw key, base64url. Tokens carry this form. */
  fingerprint(publicKey: string): string;
  /**
   * Returns a proof that the agent holds its WireGuard key, for the controller's one-time key and this transcript. Returns
   * null when the one-time key is insecure.
   */
  provePossession(controllerEphemeral: string, transcript: Transcript): string | null;
}

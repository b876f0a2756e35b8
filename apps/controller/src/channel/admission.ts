import { parseEnrolmentToken } from '@sallyport/contract/channel';
import { canonicalKey, sameKey } from './keys.ts';
import type { RefusalCode } from './refusals.ts';
import type { Hello, Proof } from './session.ts';
import type { GatewayDirectory, GatewayRecord } from './types.ts';

export type Admission =
  | { readonly kind: 'admitted'; readonly record: GatewayRecord; readonly enrolled: boolean }
  | { readonly kind: 'refused'; readonly code: RefusalCode };

/**
 * Decides whether an agent that has proven to hold its identity key may be this gateway's. The identity key decides; the token
 * only enrols, and opens nothing once an identity is pinned. Rejects when the directory does.
 */
export async function admit(directory: GatewayDirectory, hello: Hello, proof: Proof): Promise<Admission> {
  const identityKey = canonicalKey(hello.identityKey);
  const wireguardPublicKey = canonicalKey(proof.wireguardPublicKey);
  if (identityKey === null || wireguardPublicKey === null) return refused('bad-message');
  const record = await directory.find(hello.gateway);
  if (record === 'deleted') return refused('deleted');
  if (record === null) return refused('unknown-agent');
  if (record.identityKey !== null && sameKey(record.identityKey, identityKey)) {
    if (record.wireguardPublicKey !== wireguardPublicKey) {
      const outcome = await directory.wireguardKeyChanged(record.id, wireguardPublicKey);
      if (outcome === 'key-taken') return refused(outcome);
    }
    return { kind: 'admitted', record, enrolled: false };
  }
  return enrol(directory, record, proof.token, { identityKey, wireguardPublicKey });
}

async function enrol(
  directory: GatewayDirectory,
  record: GatewayRecord,
  tokenText: string | undefined,
  keys: { identityKey: string; wireguardPublicKey: string },
): Promise<Admission> {
  const token = parseEnrolmentToken(tokenText ?? '', 'gateway');
  if (tokenText === undefined && record.identityKey !== null) return refused('bad-identity');
  if (token === null || token.gateway !== record.id) return refused('bad-token');
  // Also asked when an identity is pinned already: only who has the right token is told so.
  const outcome = await directory.enrol(record.id, token.secret, keys);
  return outcome === 'enrolled' ? { kind: 'admitted', record, enrolled: true } : refused(outcome);
}

function refused(code: RefusalCode): Admission {
  return { kind: 'refused', code };
}

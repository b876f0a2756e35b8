import { isWireguardKey } from '@sallyport/contract';
import { parseEnrolmentToken } from '@sallyport/contract/channel';
import { canonicalKey, sameKey } from './keys.ts';
import type { RefusalCode } from './refusals.ts';
import type { Hello, Proof } from './session-types.ts';
import type { AgentBook, AgentDirectory, AgentRecord, EnrolmentKeys } from './types.ts';

export type Admission =
  | { readonly kind: 'admitted'; readonly record: AgentRecord; readonly enrolled: boolean }
  | { readonly kind: 'refused'; readonly code: RefusalCode };

/** What an agent has shown that has proven its identity key and its WireGuard key. */
export interface Shown {
  readonly hello: Hello;
  readonly proof: Proof;
}

/**
 * Decides whether an agent that has proven to hold its identity key may be this gateway's or device's. The identity key decides; the token
 * only enrols, and opens nothing once an identity is pinned. Rejects when the directory does.
 */
export async function admit(
  directory: AgentDirectory,
  { hello, proof }: Shown,
  mayChangeKey: (record: AgentRecord) => boolean,
): Promise<Admission> {
  const identityKey = canonicalKey(hello.identityKey);
  const { wireguardPublicKey } = proof;
  if (identityKey === null || !isWireguardKey(wireguardPublicKey)) return refused('bad-message');
  const book = directory.agents[hello.role];
  const record = await book.find(hello.agent);
  if (record === 'deleted') return refused('deleted');
  if (record === null) return refused('unknown-agent');
  if (record.identityKey !== null && sameKey(record.identityKey, identityKey)) {
    if (record.wireguardPublicKey !== wireguardPublicKey) {
      // It comes back later, with the key that it has then.
      if (!mayChangeKey(record)) return refused('busy');
      const outcome = await book.wireguardKeyChanged(record.id, wireguardPublicKey);
      if (outcome === 'key-taken') return refused(outcome);
    }
    return { kind: 'admitted', record, enrolled: false };
  }
  return enrol(book, record, proof.token, { identityKey, wireguardPublicKey, hostname: proof.host.hostname });
}

async function enrol(
  book: AgentBook,
  record: AgentRecord,
  tokenText: string | undefined,
  keys: EnrolmentKeys,
): Promise<Admission> {
  const token = parseEnrolmentToken(tokenText ?? '', record.role);
  if (tokenText === undefined && record.identityKey !== null) return refused('bad-identity');
  if (token === null || token.agent !== record.id) return refused('bad-token');
  // Also asked when an identity is pinned already: only who has the right token is told so.
  const outcome = await book.enrol(record.id, token.secret, keys);
  return outcome === 'enrolled' ? { kind: 'admitted', record, enrolled: true } : refused(outcome);
}

function refused(code: RefusalCode): Admission {
  return { kind: 'refused', code };
}

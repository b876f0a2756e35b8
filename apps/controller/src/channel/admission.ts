import { isWireguardKey } from '@sallyport/contract';
import { parseEnrolmentToken } from '@sallyport/contract/channel';
import { canonicalKey, sameKey } from './keys.ts';
import type { RefusalCode } from './refusals.ts';
import type { Hello, Proof } from './session-types.ts';
import type { AgentBook, AgentDirectory, AgentRecord, EnrolmentKeys } from './types.ts';

/** Outcome of an admission. */
export type Admission =
  | { readonly kind: 'admitted'; readonly record: AgentRecord; readonly enrolled: boolean }
  | { readonly kind: 'refused'; readonly code: RefusalCode };

/** What an agent said, once it has proven that it holds its identity key and its WireGuard key. */
export interface Shown {
  readonly hello: Hello;
  readonly proof: Proof;
}

/**
 * Decides whether an agent with a proven identity key may act for this gateway or device. The identity key decides. The
 * token only enrols, and is worthless once an identity is pinned. Rejects when the directory does.
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
      // The agent comes back later with the key that it has then.
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
  // Also asked when an identity is pinned already: only a holder of the right token learns about it.
  const outcome = await book.enrol(record.id, token.secret, keys);
  return outcome === 'enrolled' ? { kind: 'admitted', record, enrolled: true } : refused(outcome);
}

function refused(code: RefusalCode): Admission {
  return { kind: 'refused', code };
}

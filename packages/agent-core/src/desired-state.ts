import type { Delta, SignedStatement, Snapshot, StateItem, Statement } from '@sallyport/contract/channel';
import { StateHash, statementText } from '@sallyport/contract/channel';
import type { AgentCrypto } from './crypto.ts';

/** The trusted controller, and the agent that the state belongs to. */
export interface Authority {
  readonly agent: string;
  /** Ed25519 key of the controller, base64. */
  readonly controllerKey: string;
  readonly crypto: Pick<AgentCrypto, 'verify'>;
}

/** Result of offering a state: adopted, rejected with a reason, or a snapshot is needed. */
export type Verdict =
  /** The message was applied. `touched`: the keys in the message. */
  | { readonly kind: 'adopted'; readonly touched: readonly string[] }
  /** The message has another base than this state. A snapshot is needed. Nothing changed. */
  | { readonly kind: 'mismatch'; readonly reason: string }
  /** The message is older than the state and is ignored. Nothing changed. */
  | { readonly kind: 'stale'; readonly reason: string }
  /** The message is invalid: no honest controller sends it. Nothing changed. */
  | { readonly kind: 'hostile'; readonly reason: string };

/**
 * The signed state that the controller wants for the gateway or device. It accepts only signed states, and never an older
 * revision. Revisions grow within a database epoch. A new epoch needs a later signature time.
 */
export class DesiredState {
  readonly #items = new Map<string, StateItem>();
  #hash = new StateHash();
  #signed: SignedStatement | null = null;

  /** Items by key. This is a live view, so read it at once. */
  get items(): ReadonlyMap<string, StateItem> {
    return this.#items;
  }

  get signed(): SignedStatement | null {
    return this.#signed;
  }

  get statement(): Statement | null {
    return this.#signed?.statement ?? null;
  }

  adoptSnapshot(snapshot: Pick<Snapshot, 'items' | 'signed'>, authority: Authority): Verdict {
    const refusal = this.#check(snapshot.signed, authority);
    if (refusal !== null) return refusal;
    const items = new Map<string, StateItem>();
    for (const item of snapshot.items) {
      if (item.key !== keyOf(item)) return hostile(`item ${item.key} has a key that is not its own`);
      if (items.has(item.key)) return hostile(`item ${item.key} comes twice`);
      items.set(item.key, item);
    }
    const hash = StateHash.of(items.values());
    if (hash.toString() !== snapshot.signed.statement.hash) return hostile('items do not give the signed hash');
    const touched = new Set([...this.#items.keys(), ...items.keys()]);
    this.#items.clear();
    for (const [key, item] of items) this.#items.set(key, item);
    this.#hash = hash;
    this.#signed = snapshot.signed;
    return { kind: 'adopted', touched: [...touched] };
  }

  adoptDelta(delta: Pick<Delta, 'from' | 'upserts' | 'removes' | 'signed'>, authority: Authority): Verdict {
    const refusal = this.#check(delta.signed, authority);
    if (refusal !== null) return refusal;
    if (this.#signed === null || delta.from !== this.#hash.toString()) {
      return { kind: 'mismatch', reason: 'the delta starts from another state' };
    }
    const wrong = delta.upserts.find((item) => item.key !== keyOf(item));
    if (wrong !== undefined) return hostile(`item ${wrong.key} has a key that is not its own`);
    const touched = [...new Set([...delta.removes, ...delta.upserts.map((item) => item.key)])];
    const before = new Map(touched.map((key) => [key, this.#items.get(key)]));
    for (const key of delta.removes) this.#put(key, undefined);
    for (const item of delta.upserts) this.#put(item.key, item);
    if (this.#hash.toString() !== delta.signed.statement.hash) {
      for (const [key, item] of before) this.#put(key, item);
      return { kind: 'mismatch', reason: 'the delta does not give the signed hash' };
    }
    this.#signed = delta.signed;
    return { kind: 'adopted', touched };
  }

  /** Adopts a new signed statement about the same state. */
  adoptLease(signed: SignedStatement, authority: Authority): Verdict {
    const refusal = this.#check(signed, authority);
    if (refusal !== null) return refusal;
    const current = this.statement;
    if (current === null || signed.statement.hash !== current.hash) {
      return { kind: 'mismatch', reason: 'the lease speaks of another state' };
    }
    if (signed.statement.issuedAt < current.issuedAt) return { kind: 'stale', reason: 'an older lease' };
    this.#signed = signed;
    return { kind: 'adopted', touched: [] };
  }

  #check(signed: SignedStatement, authority: Authority): Verdict | null {
    const { statement, signature } = signed;
    if (statement.agent !== authority.agent) return hostile('the statement is about another agent');
    if (!authority.crypto.verify(authority.controllerKey, statementText(statement), signature)) {
      return hostile('the statement is not signed by the controller');
    }
    const current = this.statement;
    return current === null ? null : goesBack(current, statement);
  }

  #put(key: string, item: StateItem | undefined): void {
    const before = this.#items.get(key);
    if (before !== undefined) this.#hash.remove(before);
    if (item === undefined) this.#items.delete(key);
    else {
      this.#items.set(key, item);
      this.#hash.add(item);
    }
  }
}

/** Returns the only valid key of an item. The hash covers the id, so the id must determine the key. */
export function keyOf(item: StateItem): string {
  return item.kind === 'gateway' || item.kind === 'client' ? item.kind : `${item.kind}/${item.id}`;
}

function goesBack(current: Statement, next: Statement): Verdict | null {
  if (next.revision.epoch === current.revision.epoch) {
    return next.revision.number < current.revision.number ? hostile('the revision goes back') : null;
  }
  return next.issuedAt < current.issuedAt ? hostile('another database epoch, but signed earlier') : null;
}

function hostile(reason: string): Verdict {
  return { kind: 'hostile', reason };
}

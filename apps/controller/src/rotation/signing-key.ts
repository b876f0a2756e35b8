import { asOnlyRunner } from '../db/jobs.ts';
import type { Actor, Store } from '../db/store.ts';
import type { Replicas } from '../replicas/types.ts';
import type { SecretBox } from '../secrets/box.ts';
import { forgetEarlierKey, type RotatingIdentity, replaceSigningKey } from '../secrets/identity.ts';
import { Alone, auditEverywhere, refused } from './alone.ts';
import { type EnrolledAgent, Followers } from './followers.ts';
import { OtherReplicas } from './other-replicas.ts';

/** What a rotation of the signing key works with. */
export interface SigningKeyDeps {
  readonly store: Store;
  readonly box: SecretBox;
  readonly identity: RotatingIdentity;
  readonly replicas: Pick<Replicas, 'others' | 'ask' | 'handle' | 'onChange'>;
  /** Lets connected agents come back to the present key, some at a time. */
  readonly moveAgents: () => void;
  /** Called with a failure to note that an agent has followed, or to take a key that another replica made. */
  readonly failed: (error: unknown) => void;
}

/** How far the rotation of the signing key has come. */
export interface SigningKeyStatus {
  /** Fingerprints of the key in use, and of the one from before while it is kept. */
  readonly current: string;
  readonly earlier: string | null;
  /** Keys from before that agents can still follow from. */
  readonly successions: number;
  /** Enrolled agents by what they are known to know; null: no key is being replaced. */
  readonly agents: { readonly followed: number; readonly waiting: number } | null;
  /** Agents that did not connect since with a version that can follow; not all when they are many. */
  readonly waiting: readonly EnrolledAgent[];
}

/**
 * Replaces the signing key of a running controller, in one transaction. The old key signs that the new one takes its
 * place. Agents of this version follow that statement whenever they connect, also after `finish`. Older agents know the
 * old key only, and meet it until `finish`. The other replicas take the new key at once. Without an answer of each of them
 * neither command changes anything, so none signs with a key that agents no longer take.
 */
export class SigningKeyRotation {
  readonly #deps: SigningKeyDeps;
  readonly #followers: Followers;
  readonly #others: OtherReplicas;
  readonly #alone = new Alone('signing key');

  constructor(deps: SigningKeyDeps) {
    this.#deps = deps;
    this.#followers = new Followers(deps.store, deps.failed);
    this.#others = new OtherReplicas(deps.replicas, () => this.take(), deps.failed);
  }

  /** An agent was welcomed that knows the present key. */
  followed(agent: string): void {
    if (this.#deps.identity.earlier !== null) this.#followers.note(agent);
  }

  /** Resolves when everything that was noted is stored. */
  settled(): Promise<void> {
    return this.#followers.settled();
  }

  /** Takes the signing key that the database holds: another replica may have replaced it. Returns its fingerprint. */
  async take(): Promise<string> {
    const { identity, moveAgents } = this.#deps;
    const before = [identity.key, identity.earlier];
    await identity.reload();
    if (identity.key !== before[0] || identity.earlier !== before[1]) moveAgents();
    return identity.fingerprint;
  }

  /** Looks, and changes nothing. */
  status(): Promise<SigningKeyStatus> {
    return this.#alone.run(() => this.#look());
  }

  /** Replaces the key. Does it once: while the one from before is kept, this only lets agents follow. */
  rotate(actor: Actor): Promise<SigningKeyStatus> {
    return this.#alone.run(async () => {
      const { store, box, identity, moveAgents, failed } = this.#deps;
      await this.#asOnlyReplica(async () => {
        if (identity.earlier !== null) return;
        await this.#others.require(identity.fingerprint);
        await this.#followers.forget();
        await replaceSigningKey(store, box);
        await identity.reload();
      });
      // A replica that does not answer now takes the key later. Until `finish`, agents still take the one from before.
      const late = await this.#others.letTake(identity.fingerprint);
      for (const { name } of late) failed(new Error(`the controller ${name} has not taken the new signing key yet`));
      const after = { signingKey: identity.fingerprint, before: identity.earlier?.fingerprint ?? null };
      await auditEverywhere(store, actor, 'rotate signing key', after);
      moveAgents();
      return this.#look();
    });
  }

  /** Forgets the private half of the key from before. Returns the agents that have not followed. */
  finish(actor: Actor): Promise<SigningKeyStatus> {
    return this.#alone.run(async () => {
      const { store, identity, moveAgents } = this.#deps;
      const { agents, waiting } = await this.#asOnlyReplica(async () => {
        if (identity.earlier === null) throw refused('no signing key is being replaced: begin with rotate-signing-key');
        await this.#others.require(identity.fingerprint);
        const known = await this.#look();
        await auditEverywhere(store, actor, 'finish rotation of signing key', { signingKey: identity.fingerprint });
        await forgetEarlierKey(store);
        await identity.reload();
        await this.#others.letTake(identity.fingerprint);
        await this.#followers.forget();
        return known;
      });
      moveAgents();
      return { ...(await this.#look()), agents, waiting };
    });
  }

  /** Runs a work unless a command at another replica runs. It begins with the present key. */
  async #asOnlyReplica<T>(work: () => Promise<T>): Promise<T> {
    let done: { readonly value: T } | null = null;
    await asOnlyRunner(this.#deps.store, 'signingKey', async () => {
      await this.#deps.identity.reload();
      done = { value: await work() };
    });
    if (done === null) throw refused('a command at another controller works on the signing key: wait for it to end');
    return (done as { readonly value: T }).value;
  }

  async #look(): Promise<SigningKeyStatus> {
    const { fingerprint: current, earlier, successions } = this.#deps.identity;
    const known = { current, earlier: earlier?.fingerprint ?? null, successions: successions.length };
    if (earlier === null) return { ...known, agents: null, waiting: [] };
    const { followed, waiting, agents } = await this.#followers.waiting();
    return { ...known, agents: { followed, waiting }, waiting: agents };
  }
}

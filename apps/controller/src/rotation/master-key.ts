import { randomBytes } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { unscoped } from '../db/scoped.ts';
import { eachSealed, type Look } from '../db/sealed.ts';
import type { Actor, Store } from '../db/store.ts';
import { OperatorError } from '../errors.ts';
import type { Replicas } from '../replicas/types.ts';
import { masterKeyName, type RotatingBox } from '../secrets/box.ts';
import { type MasterKeys, readMasterKeys, replaceMasterKeys } from '../secrets/master-key.ts';
import { Alone, auditEverywhere, refused } from './alone.ts';
import { requireNoOthers } from './other-replicas.ts';
import { sealedPlaces } from './sealed-places.ts';

/** What a rotation of the master key works with. */
export interface MasterKeyDeps {
  readonly store: Store;
  readonly box: RotatingBox;
  /** File of the master key. */
  readonly file: string;
  readonly replicas: Pick<Replicas, 'others'>;
  /** Runs a work while no backup is being made. */
  readonly whileNoBackup: <T>(work: () => Promise<T>) => Promise<T>;
}

/** How far the rotation of the master key has come. */
export interface MasterKeyStatus {
  readonly file: string;
  /** Name of the master key that seals. */
  readonly current: string;
  /** Name of the key from before, which the file still holds; null: none is being replaced. */
  readonly earlier: string | null;
  /** Sealed values of the database by the key that opens them. `unreadable`: no key of the file does. */
  readonly secrets: { readonly current: number; readonly earlier: number; readonly unreadable: number };
}

/**
 * Replaces the master key of a running controller. The key file gets the new key first, with the old one in its second
 * line. From then on both are read, so the controller may end at any moment. `rotate` seals every secret again;
 * `finish` removes the old key from the file. Both are refused while another replica is alive, because it would go on with
 * the old key of its own file.
 */
export class MasterKeyRotation {
  readonly #deps: MasterKeyDeps;
  readonly #alone = new Alone('master key');

  constructor(deps: MasterKeyDeps) {
    this.#deps = deps;
  }

  /** Looks, and changes nothing. */
  status(): Promise<MasterKeyStatus> {
    return this.#alone.run(() => this.#look());
  }

  /** Begins a rotation, or goes on with one that was interrupted. */
  rotate(actor: Actor): Promise<MasterKeyStatus> {
    return this.#alone.run(async () => {
      requireNoOthers(this.#deps.replicas);
      const [current, earlier = null] = this.#keys();
      const next = earlier === null ? randomBytes(32) : current;
      if (earlier === null) this.#begin([next, current]);
      this.#deps.box.use(next);
      await auditEverywhere(this.#deps.store, actor, 'rotate master key', { masterKey: masterKeyName(next) });
      await this.#sealAll();
      return this.#look();
    });
  }

  /** Removes the old key from the file, into a file of its own. Returns that file as well. */
  finish(actor: Actor): Promise<MasterKeyStatus & { readonly keptIn: string }> {
    return this.#alone.run(() =>
      this.#deps.whileNoBackup(async () => {
        requireNoOthers(this.#deps.replicas);
        const [current, earlier = null] = this.#keys();
        if (earlier === null) throw refused('no master key is being replaced: begin with rotate-master-key');
        this.#deps.box.use(current);
        await this.#sealAll();
        const after = { masterKey: masterKeyName(current) };
        await auditEverywhere(this.#deps.store, actor, 'finish rotation of master key', after);
        const keptIn = oldKeyFile(this.#deps.file, earlier);
        replaceMasterKeys(keptIn, [earlier]);
        replaceMasterKeys(this.#deps.file, [current]);
        return { ...(await this.#look()), keptIn };
      }),
    );
  }

  #begin(keys: MasterKeys): void {
    try {
      replaceMasterKeys(this.#deps.file, keys);
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      const byHand =
        'or write a new key into it yourself, as a first line above the old one, and run the command again';
      throw new OperatorError(`${error.message}; ${byHand}`);
    }
  }

  /** The keys of the file, which must hold the one that this controller has used so far. */
  #keys(): MasterKeys {
    const keys = readMasterKeys(this.#deps.file);
    const used = this.#deps.box.keyNames[0] ?? '';
    if (!keys.some((key) => masterKeyName(key) === used))
      throw refused(`${this.#deps.file} does not hold the master key that this controller uses: bring it back`);
    return keys;
  }

  /** Repeats until a pass finds nothing, because a write under way may still have used the old key. */
  async #sealAll(): Promise<void> {
    const { box } = this.#deps;
    for (let changed = true; changed; ) {
      changed = false;
      await this.#each((sealed, purpose) => {
        if (box.isCurrent(sealed, purpose)) return null;
        const text = opened(box, sealed, purpose);
        if (text === null) return null;
        changed = true;
        return box.seal(text, purpose);
      });
    }
  }

  async #look(): Promise<MasterKeyStatus> {
    const { box, file } = this.#deps;
    const [current, earlier = null] = this.#keys().map(masterKeyName);
    const secrets = { current: 0, earlier: 0, unreadable: 0 };
    await this.#each((sealed, purpose) => {
      if (box.isCurrent(sealed, purpose)) secrets.current += 1;
      else if (opened(box, sealed, purpose) !== null) secrets.earlier += 1;
      else secrets.unreadable += 1;
      return null;
    });
    return { file, current: current ?? '', earlier, secrets };
  }

  async #each(look: Look): Promise<void> {
    const db = unscoped(this.#deps.store.db, 'the master key seals the secrets of all tenants');
    for (const place of sealedPlaces) await eachSealed(db, place, look);
  }
}

/** Place of an old key beside the file of the new one. */
const oldKeyFile = (file: string, key: Buffer): string =>
  join(dirname(file), `${basename(file)}.old-${masterKeyName(key)}`);

function opened(box: RotatingBox, sealed: string, purpose: string): string | null {
  try {
    return box.open(sealed, purpose);
  } catch {
    return null;
  }
}

import type { Names, NamesChange } from '@sallyport/hostnet';

/** Real addresses by virtual address, with a record of the changes since they were last taken. */
export class Translation {
  readonly #names = new Map<string, string>();
  #changes = new Map<string, string | null>();
  #present = false;
  #presentBefore = false;

  /** A view of the whole translation; null: there are no names. */
  get names(): Names | null {
    return this.#present ? this.#names : null;
  }

  /** Sets whether there are names, with or without a real address. */
  set present(present: boolean) {
    this.#present = present;
  }

  set(virtual: string, real: string | null): void {
    if ((this.#names.get(virtual) ?? null) === real) return;
    if (real === null) this.#names.delete(virtual);
    else this.#names.set(virtual, real);
    this.#changes.set(virtual, real);
  }

  /** Returns the same as `names`, and forgets the changes so far. */
  takeAll(): Names | null {
    this.#changes = new Map();
    this.#presentBefore = this.#present;
    return this.names;
  }

  /** Returns the changes since something was taken; undefined: none, null: there are no names any more. */
  takeChanges(): NamesChange | null | undefined {
    const changes = this.#changes;
    if (changes.size === 0 && this.#present === this.#presentBefore) return undefined;
    this.#changes = new Map();
    this.#presentBefore = this.#present;
    return this.#present ? changes : null;
  }
}
